"""The shape of an API key and the hash that is kept of it, so that keys can be verified from memory."""

import hashlib
import re
from dataclasses import dataclass

KEY_PREFIX = "evs"
# evs_<key_id>_<secret>; the bounds keep a hostile header from costing time.
_SHAPE = re.compile(r"evs_([a-z0-9]{1,32})_([A-Za-z0-9_-]{16,128})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A key's two parts. `secret_part` must never be logged, hence it is left out of the repr."""

    key_id: str
    secret_part: str

    def __repr__(self) -> str:
        return f"ParsedKey(key_id={self.key_id!r})"


def parse_key(plain: str) -> ParsedKey | None:
    """The parts of `evs_<key_id>_<secret>`, or None where the text has another shape."""
    match = _SHAPE.fullmatch(plain)
    return ParsedKey(match[1], match[2]) if match else None


def key_digest(key_secret: bytes, secret_part: str) -> str:
    """Hex of BLAKE2b-256 over the secret part, keyed with the installation's secret (1..64 bytes).

    Compare digests with `hmac.compare_digest`. Source: RFC 7693, keyed mode.
    """
    if not 1 <= len(key_secret) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise ValueError(f"the key secret must have 1..{hashlib.blake2b.MAX_KEY_SIZE} bytes, not {len(key_secret)}")
    return hashlib.blake2b(secret_part.encode(), digest_size=32, key=key_secret).hexdigest()
