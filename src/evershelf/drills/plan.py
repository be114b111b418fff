"""A load as data: which requests, how many a second, for how long; drawn from a seed before the first is sent."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

BUDGET_MS = 150


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as it may be sent many times: its bytes, and what its answer must keep to."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    k: int = 10
    budget_ms: int = BUDGET_MS
    is_known: bool = True  # the user has a history: the model is asked when all is well
    hidden: tuple[str, ...] = ()  # items that must not be among the answer

    def with_headers(self, headers: Mapping[str, str]) -> "Ask":
        """The same request with more headers."""
        return replace(self, headers=(*self.headers, *headers.items()))

    def wire(self, host: str) -> bytes:
        """The request's bytes."""
        body = self.body.encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of traffic: sent to `ports` (the first; the next after an exception, `retries_max` times)."""

    name: str
    ports: tuple[int, ...]
    rate_per_s: float
    asks: tuple[Ask, ...]
    begins_s: float = 0.0
    ends_s: float = float("inf")
    retries_max: int = 0
    # An answer that takes longer is given up and asked for again, as an impatient client does; 0: never.
    retry_after_ms: float = 0.0
    fresh_connections: bool = False  # a connection for every request


@dataclass(frozen=True, slots=True)
class Plan:
    """The streams of one run and its length."""

    seconds: float
    streams: tuple[Stream, ...]
    seed: int = 1
    connections_max: int = 1_024  # of a stream to a port: each is somebody else's traffic
    give_up_s: float = 10.0  # after the last was sent

    def write(self, path: Path) -> None:
        """Writes the plan where the generator reads it."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """The plan that `write` wrote."""
        fields = json.loads(path.read_text())
        streams = tuple(_stream(stream) for stream in fields.pop("streams"))
        return cls(streams=streams, **fields)

    def schedule(self) -> Iterator[tuple[float, int, int]]:
        """(seconds from the start, stream, ask) of every request, in order of time; the same for the same seed."""
        due: list[tuple[float, int, int]] = []
        for number, stream in enumerate(self.streams):
            chance = Random(self.seed * 1_000 + number)  # noqa: S311 - a replayable draw is the point
            until_s = min(stream.ends_s, self.seconds)
            count = max(0, int((until_s - stream.begins_s) * stream.rate_per_s))
            order = list(range(len(stream.asks)))
            chance.shuffle(order)
            due += [
                (stream.begins_s + each / stream.rate_per_s, number, order[each % len(order)]) for each in range(count)
            ]
        return iter(sorted(due))


def _stream(fields: dict[str, object]) -> Stream:
    asks = [Ask(**_tuples(ask)) for ask in fields.pop("asks")]  # type: ignore[arg-type,attr-defined]  # JSON is untyped
    ports: tuple[int, ...] = tuple(fields.pop("ports"))  # type: ignore[arg-type]  # JSON is untyped
    return Stream(asks=tuple(asks), ports=ports, **fields)  # type: ignore[arg-type]  # JSON is untyped


def _tuples(ask: dict[str, object]) -> dict[str, object]:
    headers = tuple(tuple(pair) for pair in ask["headers"])  # type: ignore[attr-defined]  # JSON is untyped
    return ask | {"headers": headers, "hidden": tuple(ask["hidden"])}  # type: ignore[arg-type]  # JSON is untyped
