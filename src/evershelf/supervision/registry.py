"""Which registry an installation uses, which keys it trusts, and which one it signs with."""

import os
from pathlib import Path

from pydantic import SecretStr

from evershelf.registry.opening import open_registry
from evershelf.registry.settings import RegistrySettings, SigningSettings
from evershelf.registry.signatures import Signer
from evershelf.registry.store import Registry
from evershelf.supervision.installation import SIGNING_KEY, Installation


def open_own_registry(home: Installation) -> Registry:
    """The registry for publishing and choosing versions. Raises MissingExtraError."""
    given, signing = registry_settings(home), SigningSettings()
    key = home.secret(SIGNING_KEY)
    if signing.registry_signing_key is None and key and is_own(home, given.registry):
        signing = SigningSettings(registry_signing_key=SecretStr(key))
    return open_registry(given, signing)


def registry_settings(home: Installation) -> RegistrySettings:
    """The settings `registry*`, else the folder of the installation and its own public key."""
    given = RegistrySettings()
    if "registry" not in given.model_fields_set:
        given = given.model_copy(update={"registry": str(home.registry_dir)})
    key = home.secret(SIGNING_KEY)
    if key and not given.registry_public_keys and is_own(home, given.registry):
        given = given.model_copy(update={"registry_public_keys": Signer(key).public_key})
    return given


def registry_environment(home: Installation) -> dict[str, str]:
    """The same for a process of the installation."""
    given = registry_settings(home)
    return {"EVERSHELF_REGISTRY": given.registry, "EVERSHELF_REGISTRY_PUBLIC_KEYS": given.registry_public_keys}


def is_own(home: Installation, place: str) -> bool:
    """Whether the registry is the folder of the installation: then its key is the one that counts."""
    return "://" not in place and os.path.realpath(place) == os.path.realpath(Path(home.registry_dir))
