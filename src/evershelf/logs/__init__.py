"""Log lines of a serving process: JSON on stdout, never waited for."""
