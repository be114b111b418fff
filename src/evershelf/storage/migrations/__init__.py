"""Migrations: one plain SQL file a version, put in order by Alembic."""
