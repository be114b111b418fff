"""The batch program from events to a promoted model."""
