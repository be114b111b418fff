"""One small module a version, which tells Alembic its place and names its SQL file."""
