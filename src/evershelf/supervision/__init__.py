"""Processes of an installation on one machine."""
