"""Faults on purpose: real processes, a fault proxy, an open-loop load, and a judge of every answer."""
