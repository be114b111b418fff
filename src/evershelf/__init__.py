"""Evershelf: a self-hosted recommendation service whose shelf is never empty."""

__version__ = "0.1.0"
