"""A believable shop to try, made offline from a seed."""
