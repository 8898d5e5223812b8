"""Step 1: everything between us and another system: HTTP, credentials, retries, paging, and raw pages on disk."""
