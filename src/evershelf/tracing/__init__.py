"""Traces by OpenTelemetry: of a share of the requests, handed to a collector by a thread of their own."""
