"""A Moodle site that behaves, and misbehaves on demand."""
