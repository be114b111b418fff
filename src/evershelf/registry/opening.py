"""Opens the registry that the settings name."""

from pathlib import Path

from evershelf.registry.settings import S3_SCHEME, RegistrySettings, SigningSettings, split_keys
from evershelf.registry.signatures import KeyRing, Signer
from evershelf.registry.store import DirectoryRegistry, Registry


class MissingExtraError(Exception):
    """The setting asks for what this image was built without."""


def open_registry(settings: RegistrySettings, signing: SigningSettings | None = None) -> Registry:
    """The registry at `settings.registry`; nothing is read yet. Publishers pass their key along.

    Raises:
        MissingExtraError: it lies in S3, and the extra `s3` is not installed.
    """
    keys = KeyRing(split_keys(settings.registry_public_keys))
    secret = signing.registry_signing_key if signing else None
    signer = Signer(secret.get_secret_value()) if secret and secret.get_secret_value() else None
    if not settings.registry.startswith(S3_SCHEME):
        return DirectoryRegistry(Path(settings.registry), keys=keys, signer=signer)
    try:
        from evershelf.registry.objects import ObjectRegistry  # noqa: PLC0415 - needs the extra `s3`

        return ObjectRegistry(settings.registry, keys=keys, signer=signer)
    except ImportError as error:
        raise MissingExtraError("a registry in S3 needs the extra `s3`: pip install 'evershelf[s3]'") from error
