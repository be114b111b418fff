"""Files into PostgreSQL."""
