"""Where the registry is, whom it trusts, and the key that signs what is published."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr

from evershelf.contracts.settings import Settings
from evershelf.registry.signatures import key_id

S3_SCHEME = "s3://"


def _known_place(text: str) -> str:
    if "://" in text and not text.startswith(S3_SCHEME):
        raise ValueError(f"a registry is a folder or {S3_SCHEME}bucket/prefix, not {text}")
    return text


# A folder, or s3://bucket/prefix (region, credentials and endpoint then come from the AWS_* variables).
RegistryPlace = Annotated[str, BeforeValidator(str), AfterValidator(_known_place)]


def _sound_keys(text: str) -> str:
    for key in split_keys(text):
        key_id(key)
    return text


def split_keys(text: str) -> tuple[str, ...]:
    """The keys of a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


class RegistrySettings(Settings):
    """What every reader of the registry needs to know."""

    registry: RegistryPlace = "registry"
    # Ed25519 public keys in hex, separated by commas. With at least one, what none of them has signed is refused.
    registry_public_keys: Annotated[str, AfterValidator(_sound_keys)] = ""


class SigningSettings(Settings):
    """What a publisher needs besides: the Ed25519 private key (32 bytes in hex); without one, nothing is signed."""

    registry_signing_key: SecretStr | None = None
