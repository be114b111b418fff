"""The one place that calls inference: a history in, a `ModelReply` out, whatever inference does."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import aiohttp

from evershelf.contracts.health import DependencyState
from evershelf.contracts.inference import (
    EXCLUDED_MAX,
    HISTORY_MAX,
    Interaction,
    Ranking,
    RankQuery,
    RankReply,
    RankRequest,
)
from evershelf.contracts.recommendations import TROUBLE, Reason
from evershelf.gateway.circuit import Circuit
from evershelf.gateway.outside import Outside
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.breaker import Call, Limits, State
from evershelf.policy.compose import ModelReply, is_sound

# Refused compression: a small body that inflates to a huge one would block the event loop.
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class InferenceClient:
    """A connection pool to inference. `rank` never raises for what inference or the network do: it says what came."""

    def __init__(self, settings: GatewaySettings, telemetry: Telemetry, *, outside: Outside) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._clock = outside.clock
        self._url = settings.inference_url.rstrip("/") + "/v1/rank"
        self._session: aiohttp.ClientSession | None = None
        self.state = DependencyState.UNKNOWN
        self.since_s: float | None = None
        self._branches: set[asyncio.Task[ModelReply]] = set()
        self._circuit = Circuit("inference", self._probe, Limits(), outside=outside)

    async def start(self) -> None:
        """Opens the pool; no connection is made yet."""
        connector = aiohttp.TCPConnector(limit=self._settings.gateway_inference_concurrency_max)
        self._session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        await self._circuit.start()

    async def close(self) -> None:
        """Closes the pool and every connection in it."""
        await self._circuit.close()
        if self._session is not None:
            await self._session.close()

    @property
    def circuit(self) -> State:
        """The breaker's state."""
        return self._circuit.state

    def hold(self, branch: "asyncio.Task[ModelReply]") -> None:
        """Counts a model branch as in flight until it has really ended, also after its caller stopped waiting."""
        self._branches.add(branch)
        branch.add_done_callback(self._release)

    @property
    def in_flight(self) -> int:
        """Model branches that have not ended, abandoned ones included."""
        return len(self._branches)

    async def rank(
        self, history: Sequence[Interaction], *, k: int, exclude: Sequence[str], answered: Reason, remaining_ms: float
    ) -> ModelReply:
        """Asks for `k` items within `remaining_ms`; `answered` is the outcome to give to a sound answer."""
        if remaining_ms < self._settings.gateway_inference_budget_ms_min:
            return ModelReply(Reason.BUDGET_TOO_SMALL)
        if not self._circuit.admits():
            return ModelReply(Reason.CIRCUIT_OPEN)
        query = RankQuery(history=tuple(history[:HISTORY_MAX]), k=k, exclude=tuple(exclude[:EXCLUDED_MAX]))
        body = RankRequest(queries=(query,)).model_dump_json().encode()
        began_s, patient = self._clock.monotonic_s(), remaining_ms >= self._settings.gateway_inference_patience_ms
        try:
            reply = await self._ask(body, answered, remaining_ms)
            if reply.ranking is not None and not _holds_up(reply.ranking, query):
                reply = ModelReply(Reason.INFERENCE_INVALID)
        except asyncio.CancelledError:  # abandoned at the deadline
            self._note(Reason.DEADLINE_EXCEEDED, began_s, patient=patient)
            raise
        elapsed_s = self._note(reply.outcome, began_s, patient=patient)
        return replace(reply, elapsed_ms=elapsed_s * 1_000)

    async def _probe(self) -> bool:
        """One cheap question of the kind that requests ask: the ranking of an empty history."""
        body = RankRequest(queries=(RankQuery(history=(), k=1),)).model_dump_json().encode()
        try:
            reply = await self._ask(body, Reason.PERSONALIZED, self._settings.gateway_inference_probe_ms)
        except Exception as error:  # noqa: BLE001 - the source boundary: no bug may end the probing
            self._telemetry.caught("inference_probe", error)
            return False
        well = reply.outcome is Reason.PERSONALIZED
        self._become(DependencyState.UP if well else DependencyState.DOWN)
        return well

    async def _ask(self, body: bytes, answered: Reason, remaining_ms: float) -> ModelReply:
        assert self._session is not None, "start() comes before rank()"
        timeout = aiohttp.ClientTimeout(total=remaining_ms / 1_000)
        headers = _HEADERS | {"X-Request-Deadline-Ms": str(int(remaining_ms))}
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                content = await self._read(response)
                encoded = "Content-Encoding" in response.headers
                return _understand(response.status, content, encoded=encoded, answered=answered)
        except asyncio.TimeoutError:  # noqa: UP041 - aiohttp's own time-out derives from this name
            return ModelReply(Reason.DEADLINE_EXCEEDED)
        except aiohttp.ClientPayloadError:
            return ModelReply(Reason.INFERENCE_INVALID)
        except (aiohttp.ClientConnectionError, OSError):
            return ModelReply(Reason.INFERENCE_UNAVAILABLE)
        except aiohttp.ClientError:
            return ModelReply(Reason.INFERENCE_INVALID)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes | None:
        """The body, or None when it is longer than we are willing to hold."""
        limit = self._settings.gateway_inference_reply_bytes_max
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > limit:
                response.close()
                return None
        return bytes(content)

    def _release(self, branch: "asyncio.Task[ModelReply]") -> None:
        self._branches.discard(branch)
        if not branch.cancelled():
            branch.exception()  # marks it as seen: nobody else reads that of an abandoned branch

    def _note(self, outcome: Reason, began_s: float, *, patient: bool) -> float:
        """Tells everyone who counts that a call has ended; returns the seconds it took."""
        elapsed_s = self._clock.monotonic_s() - began_s
        self._telemetry.inference_called(outcome, elapsed_s)
        self._circuit.record(_health(outcome, patient=patient))
        self._become(DependencyState.DOWN if outcome in TROUBLE else DependencyState.UP)
        return elapsed_s

    def _become(self, state: DependencyState) -> None:
        if state is not self.state:
            self.state, self.since_s = state, self._clock.unix_s()


def _health(outcome: Reason, *, patient: bool) -> Call:
    """What an outcome says about inference. A deadline missed says little if the caller left next to no time."""
    if outcome not in TROUBLE:
        return Call.GOOD
    if outcome is Reason.DEADLINE_EXCEEDED and not patient:
        return Call.SLOW
    return Call.IGNORED if outcome is Reason.NO_MODEL else Call.FAILED


def _understand(status: int, content: bytes | None, *, encoded: bool, answered: Reason) -> ModelReply:
    if status != 200:
        return ModelReply(_refusal(status, content))
    if content is None or encoded:
        return ModelReply(Reason.INFERENCE_INVALID)
    try:
        reply = RankReply.model_validate_json(content, strict=True)
        (ranking,) = reply.rankings
    except ValueError:  # pydantic's errors are ValueErrors, and so is another number of rankings than one
        return ModelReply(Reason.INFERENCE_INVALID)
    return ModelReply(answered, 0.0, ranking, reply.model_version)


def _holds_up(ranking: Ranking, query: RankQuery) -> bool:
    """Whether the ranking is sound, and blames nothing on items that were not in the history it was asked about."""
    told = {interaction.item_id for interaction in query.history}
    return is_sound(ranking) and all(piece.item_id in told for item in ranking.items for piece in item.evidence)


def _refusal(status: int, content: bytes | None) -> Reason:
    if status == 504:
        return Reason.DEADLINE_EXCEEDED
    if status == 503 and content is not None and b"not-ready" in content:
        return Reason.NO_MODEL
    return Reason.INFERENCE_ERROR
