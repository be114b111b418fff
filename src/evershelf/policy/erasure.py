"""The hash by which an erased user or session is recognised; the same as `erasure_digest` in PostgreSQL."""

import hashlib


def erasure_digest(salt: bytes, kind: str, name: str) -> str:
    """Hex of SHA-256 over salt and `kind:name`, where kind is `user` or `session`."""
    return hashlib.sha256(salt + f"{kind}:{name}".encode()).hexdigest()
