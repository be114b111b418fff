"""Immutable model and snapshot versions, and the aliases that name them."""
