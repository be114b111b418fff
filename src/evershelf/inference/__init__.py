"""The isolated, stateless model server."""
