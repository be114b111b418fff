"""The mirror's file: written in pieces, read back before it replaces the one before, and believed only when whole."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from pathlib import Path

import orjson
import structlog
from pydantic import BaseModel, ConfigDict

from evershelf.contracts.catalog import ItemState
from evershelf.contracts.erasures import Erasure
from evershelf.contracts.keys import StoredKey
from evershelf.contracts.placements import DEFAULT_PLACEMENTS, Placement
from evershelf.gateway.item_changes import Hide
from evershelf.registry.artifact import sha256_of

ERASURES_A_PIECE = 500
_IN_PIECES = frozenset({"changes", "hides", "erasures"})

log = structlog.get_logger()


class Mirrored(BaseModel):
    """The mirror's whole content, as it stands in the file."""

    model_config = ConfigDict(frozen=True)

    base: int = 0  # changes up to here were part of the snapshot in use, and are not among `changes`
    sequence: int = 0  # the catalog's changes up to here are known from `changes`
    # Up to here, from `changes` and `hides`. A gateway from before there were any then asks PostgreSQL for all above
    # `sequence`: it would take what they hide for shown.
    sequence_with_hides: int = 0
    keys: tuple[StoredKey, ...] = ()
    placements: tuple[Placement, ...] = DEFAULT_PLACEMENTS
    changes: tuple[ItemState, ...] = ()
    # Id, change, until when (Unix; None: not to be shown), whether suppressed, whether deleted.
    hides: tuple[tuple[str, int, float | None, bool, bool], ...] = ()
    erasure_salt: str = ""  # hex
    erasures: tuple[Erasure, ...] = ()  # the newest, in order


class Envelope(BaseModel):
    """The file: the content as text, and its hash."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    content: str


class MirrorFile:
    """One file. What did not change since the last writing is not encoded again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pieces: dict[tuple[str, int], tuple[object, bytes]] = {}  # with what each was made from

    def read(self) -> Mirrored:
        """The file's content; a file that is missing gives the defaults, a damaged one too, and is set aside."""
        try:
            return opened(self._path.read_bytes())
        except FileNotFoundError:
            return Mirrored()
        except OSError as error:  # unreadable just now: it may be whole, so it is left where it is until the next write
            log.error("mirror_file_unreadable", error=str(error))  # noqa: TRY400 - an expected failure of a disk
            return Mirrored()
        except ValueError as error:  # broken JSON, a wrong hash, and every error of pydantic's
            damaged = self._path.with_name(f"{self._path.name}.damaged")
            log.warning("mirror_file_damaged", error=str(error), kept_as=damaged.name)
            self._path.replace(damaged)
            return Mirrored()

    def write(
        self, rest: Mirrored, changes: Sequence[Mapping[str, ItemState]], hides: Sequence[Mapping[str, Hide]]
    ) -> None:
        """Writes `rest` with these changes and hides; for a thread, one at a time. Nobody may change what is given.

        Raises OSError, and ValueError where it could not be read again: then the file before stays.
        """
        incoming = self._path.with_name(f".{self._path.name}.incoming")
        written = hashlib.sha256()
        descriptor = os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for piece in _sealed(self._content(rest, changes, hides)):
                written.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if sha256_of(incoming) != written.hexdigest():
            raise ValueError("the mirror's file is not what was written")
        incoming.replace(self._path)

    def _content(
        self, rest: Mirrored, changes: Sequence[Mapping[str, ItemState]], hides: Sequence[Mapping[str, Hide]]
    ) -> Iterator[bytes]:
        """The content as JSON. One that is dumped in one go keeps the interpreter from everybody for its whole time."""
        head = rest.model_dump_json(exclude=set(_IN_PIECES)).encode()
        Mirrored.model_validate_json(head)
        yield head[:-1]
        yield from self._list("changes", changes, lambda number: _changes_json(changes[number]))
        yield from self._list("hides", hides, lambda number: _hides_json(hides[number]))
        erasures = rest.erasures
        pieces = [erasures] * -(-len(erasures) // ERASURES_A_PIECE)
        yield from self._list("erasures", pieces, lambda number: _erasures_json(erasures, number))
        yield b"}"

    def _list(self, name: str, made_from: Sequence[object], encode: Callable[[int], bytes]) -> Iterator[bytes]:
        """One list of the content in pieces, each of them read back once: it may be nested deeper than can be read."""
        yield b',"%b":[' % name.encode()
        begun = False
        for number, source in enumerate(made_from):
            known, piece = self._pieces.get((name, number), (None, b""))
            if known is not source:
                piece = encode(number)
                Mirrored.model_validate_json(b'{"%b":[%b]}' % (name.encode(), piece))
                self._pieces[name, number] = source, piece
            if piece:
                yield b"," + piece if begun else piece
                begun = True
        yield b"]"


def opened(envelope: bytes) -> Mirrored:
    """The content of an envelope whose hash is right. Raises ValueError otherwise."""
    sealed = Envelope.model_validate_json(envelope)
    if hashlib.sha256(sealed.content.encode()).hexdigest() != sealed.sha256:
        raise ValueError("the hash is another")
    return Mirrored.model_validate_json(sealed.content)


def _sealed(content: Iterator[bytes]) -> Iterator[bytes]:
    """An envelope around the content, its hash at the end."""
    sha256 = hashlib.sha256()
    yield b'{"content":"'
    for piece in content:
        sha256.update(piece)
        yield orjson.dumps(piece.decode())[1:-1]
    yield b'","sha256":"%b"}' % sha256.hexdigest().encode()


def _changes_json(shard: Mapping[str, ItemState]) -> bytes:
    return b",".join([state.model_dump_json().encode() for state in shard.values()])


def _hides_json(shard: Mapping[str, Hide]) -> bytes:
    told = [
        (item_id, hide.change_sequence, _told(hide.until_s), hide.suppressed, hide.deleted)
        for item_id, hide in shard.items()
    ]
    return orjson.dumps(told)[1:-1]


def _told(until_s: float) -> float | None:
    return None if until_s == -inf else until_s


def _erasures_json(erasures: Sequence[Erasure], number: int) -> bytes:
    piece = erasures[number * ERASURES_A_PIECE : (number + 1) * ERASURES_A_PIECE]
    return b",".join([erasure.model_dump_json().encode() for erasure in piece])
