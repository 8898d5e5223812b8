"""Step 2: accept a row or dead-letter it, with a reason a person understands."""
