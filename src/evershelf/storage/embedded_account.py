"""The account that the embedded server runs as: our own, or an unprivileged one where we are root."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from evershelf.storage.errors import StorageUnsuitable

# PostgreSQL refuses to run as root and wants an account with an entry in the password database.
UNPRIVILEGED = "nobody"


class Drop(TypedDict, total=False):
    """Arguments of subprocess that change the account of the child."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id, and whether becoming it means giving up root's rights."""

    name: str
    user_id: int
    group_id: int
    dropped: bool

    def drop(self) -> Drop:
        """What to hand to subprocess so that the child runs as this account, without root's other groups."""
        return Drop(user=self.user_id, group=self.group_id, extra_groups=[]) if self.dropped else Drop()


def server_account() -> Account:
    """Our own account, or `nobody` where we are root."""
    if os.geteuid() != 0:
        return Account("", os.geteuid(), os.getegid(), dropped=False)
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)


def own_folder(folder: Path, account: Account) -> None:
    """Makes the folder, gives it (and nothing above it) to the account, mode 0700.

    Raises StorageUnsuitable if a parent keeps the account out, or if the folder holds somebody else's files.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        require_reachable(folder.parent, account, remedy="choose another --data-dir")
        owner = folder.stat().st_uid
        if owner != account.user_id:
            if any(folder.iterdir()):
                raise StorageUnsuitable(f"{folder} holds files of another account: choose another --data-dir")
            os.chown(folder, account.user_id, account.group_id)
        folder.chmod(0o700)
    except OSError as error:
        raise StorageUnsuitable(f"cannot use {folder}: {error.strerror}; choose another --data-dir") from error


def own_file(path: Path, body: str, account: Account) -> None:
    """Writes a file that only the account (and root) may read. Raises OSError where a link stands in its place."""
    # The folder is the account's: as root we must not follow a link that was laid there, to write what is not its own.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if account.dropped:
            os.fchown(file.fileno(), account.user_id, account.group_id)
        os.fchmod(file.fileno(), 0o600)
        file.write(body)


def require_reachable(folder: Path, account: Account, *, remedy: str) -> None:
    """Raises StorageUnsuitable, naming the first folder on the way that the account may not pass through."""
    if not account.dropped:
        return
    resolved = folder.resolve()
    for part in reversed((resolved, *resolved.parents)):
        if not _may_pass(part.stat(), account):
            raise StorageUnsuitable(
                f"the database server runs as the account {account.name!r}, which may not pass through {part}: {remedy}"
            )


def _may_pass(status: os.stat_result, account: Account) -> bool:
    # The first class that fits decides, as in path_resolution(7).
    if status.st_uid == account.user_id:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.group_id:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
