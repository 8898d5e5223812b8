"""Keeps a core PostgreSQL database in step with the systems that own the data."""
