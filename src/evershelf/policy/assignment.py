"""Who belongs to which arm of a split: decided by a hash, so that every gateway decides alike and a user stays put."""

import hashlib

_STEPS = 2**32


def place_of(key: str, *, salt: str) -> float:
    """Where the user or session `key` stands in [0, 1) for the split named `salt`; even, and the same everywhere."""
    digest = hashlib.blake2b(key.encode(), digest_size=4, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") / _STEPS


def belongs(key: str | None, share: float, *, salt: str) -> bool:
    """Whether `key` is in the first `share` of the split. Who has no key belongs to no arm but the usual one.

    Raising the share only adds users: nobody who was in it falls out.
    """
    return key is not None and place_of(key, salt=salt) < share
