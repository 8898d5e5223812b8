"""The PostgreSQL beneath: a user's own or an embedded one, connections, migrations."""
