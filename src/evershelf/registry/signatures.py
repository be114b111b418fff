"""Who made a version: Ed25519 signatures over manifests, and the public keys that an installation trusts.

A manifest names the hash of every file, so a signature over the manifest holds for all of its version. Signed is the
manifest without its signature as JSON with sorted keys and no spaces, read from the very bytes that are used: fields
that this release does not know are covered, too. Source: RFC 8032 (Ed25519), RFC 8785 (the idea of one JSON form).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from evershelf.contracts.manifest import ModelManifest, Signature, SnapshotManifest
from evershelf.registry.artifact import ArtifactRefused, Refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES = 32
_FIELD = "signature"
_KEY_ID_DIGITS = 16

AnyManifest = ModelManifest | SnapshotManifest


class InvalidKeyError(ValueError):
    """A text is no Ed25519 key of 64 hexadecimal digits."""


class Signer:
    """Signs what this installation publishes; `public_key` (hex) is what the others are told."""

    def __init__(self, private_key: str) -> None:
        """Takes the 32-byte seed in hex. Raises InvalidKeyError."""
        # Imported where a key is used: the library takes 90 ms to load, and not every installation signs.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        self._key = Ed25519PrivateKey.from_private_bytes(_key_bytes(private_key))
        self.public_key = self._key.public_key().public_bytes_raw().hex()

    def sign(self, manifest: AnyManifest) -> AnyManifest:
        """The manifest with our signature; the same manifest gives the same signature."""
        content, _ = split_signature(manifest.model_dump_json().encode())
        value = self._key.sign(content).hex()
        return manifest.model_copy(update={_FIELD: Signature(key_id=key_id(self.public_key), value=value)})


class KeyRing:
    """The public keys that are trusted. An empty ring asks for no signature."""

    def __init__(self, public_keys: Sequence[str] = ()) -> None:
        """Takes keys in hex. Raises InvalidKeyError."""
        self.public_keys = tuple(public_keys)
        self._keys = {key_id(text): _public_key(text) for text in public_keys}

    def require(self, content: bytes, signature: Signature | None) -> None:
        """Returns only if a trusted key has signed `content`, or none is configured. Raises ArtifactRefused."""
        if not self._keys:
            return
        if signature is None:
            _refuse("it is not signed")
        key = self._keys.get(signature.key_id)
        if key is None:
            _refuse(f"it is signed by {signature.key_id}, which is not trusted here")
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above

        try:
            key.verify(bytes.fromhex(signature.value), content)
        except InvalidSignature:
            _refuse("its signature does not fit its manifest")


NO_KEYS = KeyRing()


def split_signature(text: bytes) -> tuple[bytes, Signature | None]:
    """A manifest's signed content in its one form, and its signature. Raises ArtifactRefused if it is no manifest."""
    try:
        manifest = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_constant)
        given = manifest.pop(_FIELD, None)
        signature = None if given is None else Signature.model_validate(given)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactRefused(Refusal.MANIFEST, "it is no JSON object with a sound signature") from error
    content = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return content.encode(), signature


def key_id(public_key: str) -> str:
    """The short name of a public key. Raises InvalidKeyError."""
    return hashlib.sha256(_key_bytes(public_key)).hexdigest()[:_KEY_ID_DIGITS]


def _public_key(text: str) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

    return Ed25519PublicKey.from_public_bytes(_key_bytes(text))


def _key_bytes(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InvalidKeyError(f"a registry key has {2 * KEY_BYTES} hexadecimal digits")
    return key


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # Of two members of one name, a reader might take the one and the signature hold for the other.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _refuse(detail: str) -> NoReturn:
    raise ArtifactRefused(Refusal.SIGNATURE, detail)
