"""An inference service of the simulation: speaks HTTP over the simulated network, well or badly as its weather is."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import orjson

from evershelf.contracts.inference import RankQuery, RankRequest
from evershelf.simulation.faults import Fault, Weather
from evershelf.simulation.network import UNREACHABLE_S, SimulatedTransport

PORT = 8_081
MODEL_VERSION = "simulated-1"
WORK_S = (0.003, 0.02)
SLOW_S = (0.06, 0.6)
SOMETIMES_SLOW_S = 0.5
TRICKLE_S = 0.08
TRICKLED_MAX = 30
HUGE_ITEMS = 30_000
GARBAGE = (
    "nan", "huge_score", "duplicates", "foreign_evidence", "rising", "wrong_types", "not_json", "empty_body",
    "other_number", "too_many_items", "compressed", "no_version", "redirect",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One question as it arrived. `ended` names what came of it: "good", a fault, or a kind of garbage."""

    at_s: float
    budget_ms: int | None
    probe: bool
    queries: int
    ended: str


@dataclass(eq=False)
class SimulatedInference:
    """Ranks by a hash of the newest item: the same question gets the same answer in every process."""

    weather: Weather
    now_s: Callable[[], float]
    item_ids: Sequence[str] = ()
    on_call: Callable[[Call], None] = lambda _: None
    calls: list[Call] = field(default_factory=list)
    refused_at_s: list[float] = field(default_factory=list)
    probes_at_once: int = 0
    _received: dict[SimulatedTransport, bytearray] = field(default_factory=dict)
    _probing: set[SimulatedTransport] = field(default_factory=set)

    async def admit(self) -> None:
        """Accepts a connection."""
        if self.weather.strikes(Fault.INFERENCE_DEAD) or self.weather.strikes(Fault.ALONE):
            self.refused_at_s.append(self.now_s())
            raise ConnectionRefusedError(111, "connection refused")
        if self.weather.strikes(Fault.INFERENCE_UNREACHABLE):
            self.refused_at_s.append(self.now_s())
            await asyncio.sleep(UNREACHABLE_S)

    def opened(self, connection: SimulatedTransport) -> None:
        """A connection stands."""
        self._received[connection] = bytearray()

    def closed(self, connection: SimulatedTransport) -> None:
        """A connection is gone."""
        self._received.pop(connection, None)
        self._end_probe(connection)

    def die(self) -> None:
        """Resets every connection."""
        for connection in list(self._received):
            connection.hang_up(reset=True)

    def received(self, connection: SimulatedTransport, data: bytes) -> None:
        """Bytes of a request have come."""
        buffer = self._received.get(connection)
        if buffer is None:
            return
        buffer += data
        while (request := _cut_request(buffer)) is not None:
            self._answer(connection, *request)

    def called(self, call: Call) -> None:
        """Notes a call."""
        self.calls.append(call)
        self.on_call(call)

    def _answer(self, connection: SimulatedTransport, headers: dict[bytes, bytes], body: bytes) -> None:
        request = RankRequest.model_validate_json(body)
        probe = len(request.queries) == 1 and not request.queries[0].history
        if probe:
            self._probing.add(connection)
            self.probes_at_once = max(self.probes_at_once, len(self._probing))
        ended, after_s = self._reply(connection, request)
        budget = headers.get(b"x-request-deadline-ms")
        budget_ms = int(budget) if budget is not None else None
        self.called(Call(self.now_s(), budget_ms, probe, len(request.queries), ended))
        if probe and after_s is not None:
            asyncio.get_running_loop().call_later(after_s, self._end_probe, connection)

    def _end_probe(self, connection: SimulatedTransport) -> None:
        self._probing.discard(connection)

    def _reply(self, connection: SimulatedTransport, request: RankRequest) -> tuple[str, float | None]:
        """Sends the answer, if there is to be one: what it was, and after how long."""
        weather = self.weather
        if weather.strikes(Fault.INFERENCE_DEAD) or weather.strikes(Fault.ALONE):
            connection.hang_up(reset=True)
            return "dead", 0.0
        if weather.strikes(Fault.INFERENCE_FROZEN) or weather.strikes(Fault.INFERENCE_UNREACHABLE):
            return "silent", None
        after_s = weather.between(*WORK_S)
        if weather.strikes(Fault.INFERENCE_SLOW):
            after_s = weather.between(*SLOW_S)
            weather.lingers(Fault.INFERENCE_SLOW, after_s)
        if weather.strikes(Fault.INFERENCE_SOMETIMES_SLOW):
            after_s = SOMETIMES_SLOW_S
            weather.lingers(Fault.INFERENCE_SOMETIMES_SLOW, after_s)
        if (refusal := self._refusal()) is not None:
            connection.send(refusal, after_s=after_s)
            return "refusal", after_s
        if weather.strikes(Fault.INFERENCE_GARBAGE):
            connection.send(self._garbage(weather.one_of(GARBAGE), request), after_s=after_s)
            return "garbage", after_s
        return self._send_well(connection, _http(200, orjson.dumps(self._rank(request))), after_s)

    def _refusal(self) -> bytes | None:
        if self.weather.strikes(Fault.INFERENCE_NO_MODEL):
            return _http(503, b'{"type": "/problems/not-ready"}')
        if self.weather.strikes(Fault.INFERENCE_BUSY):
            return _http(429 if self.weather.between(0, 1) < 0.5 else 503, b"{}")
        return _http(500, b"{}") if self.weather.strikes(Fault.INFERENCE_ERRORS) else None

    def _send_well(self, connection: SimulatedTransport, answer: bytes, after_s: float) -> tuple[str, float]:
        if self.weather.strikes(Fault.INFERENCE_TRICKLE):
            for number in range(TRICKLED_MAX):
                connection.send(answer[number : number + 1], after_s=after_s + number * TRICKLE_S)
            return "trickle", after_s + TRICKLED_MAX * TRICKLE_S
        if self.weather.strikes(Fault.INFERENCE_CUT):
            connection.send(answer[: int(self.weather.between(1, len(answer)))], after_s=after_s)
            connection.hang_up(after_s=after_s, reset=self.weather.between(0, 1) < 0.5)
            return "cut", after_s
        connection.send(answer, after_s=after_s)
        return "good", after_s

    def _rank(self, request: RankRequest) -> dict[str, object]:
        rankings = [self._ranking(query) for query in request.queries]
        if self.weather.strikes(Fault.INFERENCE_HESITANT):
            doubt: dict[str, object] = {"confident": False} if self.weather.between(0, 1) < 0.5 else {"items": []}
            rankings = [ranking | doubt for ranking in rankings]
        return {"model_version": MODEL_VERSION, "rankings": rankings}

    def _ranking(self, query: RankQuery) -> dict[str, object]:
        history = [interaction.item_id for interaction in query.history]
        excluded = {*query.exclude, *history}
        begin = zlib.crc32(history[0].encode()) % len(self.item_ids) if history else 0
        ranked = [*self.item_ids[begin:], *self.item_ids[:begin]]
        chosen = [item_id for item_id in ranked if item_id not in excluded][: query.k]
        evidence = [{"item_id": history[0], "share": 1.0}] if history else []
        items = [
            {"item_id": item_id, "score": 10.0 - 0.01 * place, "evidence": evidence}
            for place, item_id in enumerate(chosen)
        ]
        return {"items": items, "confidence": 0.9, "confident": True}

    def _garbage(self, kind: str, request: RankRequest) -> bytes:
        rankings = [self._ranking(query) for query in request.queries]
        first: list[dict[str, object]] = rankings[0]["items"]  # type: ignore[assignment]  # as _ranking makes it
        reply: dict[str, object] = {"model_version": MODEL_VERSION, "rankings": rankings}
        item = first[0] if first else {"item_id": "x", "score": 1.0, "evidence": []}
        match kind:
            case "duplicates":
                rankings[0]["items"] = [item, item]
            case "foreign_evidence":
                rankings[0]["items"] = [item | {"evidence": [{"item_id": "nobody-saw-this", "share": 1.0}]}]
            case "rising":
                rankings[0]["items"] = [item | {"score": 1.0}, item | {"item_id": "other", "score": 2.0}]
            case "wrong_types":
                rankings[0]["items"] = [item | {"score": "high"}]
            case "too_many_items":
                rankings[0]["items"] = [item | {"item_id": f"x{number}"} for number in range(HUGE_ITEMS)]
            case "other_number":
                reply["rankings"] = [*rankings, rankings[0]]
            case "no_version":
                del reply["model_version"]
            case _:
                return _raw_garbage(kind, orjson.dumps(reply))
        return _http(200, orjson.dumps(reply))


def _raw_garbage(kind: str, body: bytes) -> bytes:
    if kind in {"nan", "huge_score"}:
        number = b"NaN" if kind == "nan" else b"1e999"
        return _http(200, body.replace(b'"confidence":0.9', b'"confidence":' + number))
    if kind == "compressed":
        return _http(200, zlib.compress(body), b"Content-Encoding: deflate\r\n")
    if kind == "redirect":
        return _http(302, b"", b"Location: http://127.0.0.1:1/\r\n")
    return _http(200, b"" if kind == "empty_body" else b"<html>it works</html>")


def _http(status: int, body: bytes, headers: bytes = b"") -> bytes:
    return (
        f"HTTP/1.1 {status} Simulated\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
        + headers
        + b"\r\n"
        + body
    )


def _cut_request(buffer: bytearray) -> tuple[dict[bytes, bytes], bytes] | None:
    """The first whole request of the buffer, which loses it: (headers, body)."""
    head_length = buffer.find(b"\r\n\r\n")
    if head_length < 0:
        return None
    lines = bytes(buffer[:head_length]).split(b"\r\n")[1:]
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    end = head_length + 4 + int(headers.get(b"content-length", b"0"))
    if len(buffer) < end:
        return None
    body = bytes(buffer[head_length + 4 : end])
    del buffer[:end]
    return headers, body
