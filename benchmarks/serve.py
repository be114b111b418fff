"""One recommendation end to end: what it costs each process, against scoring without a hop and a typical pair.

Usage: python benchmarks/serve.py [--form smoke|short|long] [--json] [--seconds 3] [--rounds 3]
Real gateway, inference and PostgreSQL; a tenth of the requests come from users whose history has to be read. `no hop`
is the same gateway with the model in its own process: the floor. `typical` is FastAPI + httpx2 + FastAPI with the same
scorer, its histories in memory. All variants take turns in every round.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import uvicorn
from accounting import cpu_s, family_cpu_s
from told import Target, Told, parser
from world import K, World, closed_loop, free_port, gateway, get, history_of, inference, item_id, post, process, world

ITEMS_MIDDLE, HISTORY_MIDDLE, TARGET_CONCURRENCY = 100_000, 10, 64
WARM_USERS, COLD_USERS, COLD_SHARE = 500, 4_000, 0.1
WARM_UP_S = 1.0
OURS, FLOOR, TYPICAL, BARE = "evershelf", "no hop", "typical", "inference alone"
HERE = Path(__file__).resolve()


@dataclass(frozen=True)
class Form:
    """How much is measured: concurrencies at the middle size with all rivals, then other sizes and histories alone."""

    concurrencies: tuple[int, ...]
    items: tuple[int, ...]
    histories: tuple[int, ...]
    items_middle: int = ITEMS_MIDDLE
    cold_users: int = COLD_USERS
    seconds: float = 3.0


FORMS = {
    "smoke": Form((1, TARGET_CONCURRENCY), (), (), items_middle=2_000, cold_users=50, seconds=0.2),
    "short": Form((1, TARGET_CONCURRENCY), (10_000,), (), seconds=2.0),
    "long": Form((1, 16, 64, 256), (10_000, 1_000_000), (1, 50, 200)),
}


@dataclass(frozen=True)
class Variant:
    """A way to be served: its port, and the pid of each process that takes part."""

    name: str
    port: int
    pids: Mapping[str, int]


def main() -> None:
    """Serves one process of a variant, or measures."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=float)
    options.add_argument("--serve", choices=("floor", "front", "scorer"))
    arguments = options.parse_args()
    if arguments.serve:
        {"floor": serve_floor, "front": serve_front, "scorer": serve_scorer}[arguments.serve]()
        return
    told, form = Told("serve"), FORMS[arguments.form]
    form = replace(form, seconds=arguments.seconds or form.seconds)
    measure(told, form, arguments.rounds, items=form.items_middle, history=HISTORY_MIDDLE, rivals=True)
    for items in form.items:
        measure(told, form, arguments.rounds, items=items, history=HISTORY_MIDDLE, rivals=False)
    for history in form.histories:
        measure(told, form, arguments.rounds, items=form.items_middle, history=history, rivals=False)
    decide(told, form)
    told.tell(as_json=arguments.json)


def measure(told: Told, form: Form, rounds: int, *, items: int, history: int, rivals: bool) -> None:
    """Rows for one catalog and one length of history; without rivals at the target's concurrency only."""
    concurrencies = form.concurrencies if rivals else (TARGET_CONCURRENCY,)
    with world(items=items, users=WARM_USERS + form.cold_users, history=history) as made, ExitStack() as stack:
        variants = list(started(made, stack, rivals=rivals))
        asked = {variant.name: Questions(made, variant.name, history) for variant in variants}
        found: dict[tuple[str, int], list[dict[str, float]]] = {}
        for number in range(-1, rounds):
            for concurrency in concurrencies:
                for variant in variants:
                    seconds = form.seconds if number >= 0 else min(WARM_UP_S, form.seconds)
                    figures = asyncio.run(one_round(made, variant, asked[variant.name], concurrency, seconds))
                    if number >= 0:
                        found.setdefault((variant.name, concurrency), []).append(figures)
        for (name, concurrency), figures in found.items():
            variant = {"variant": name, "items": items, "history": history, "concurrency": concurrency}
            told.add_rounds(variant, figures, "cpu_us")


class Questions:
    """Requests as bytes, a tenth of them by users that were not seen before."""

    def __init__(self, made: World, variant: str, history: int) -> None:
        self._made, self._variant, self._history = made, variant, history
        self._random = Random(5)
        self._cold = 0

    def __call__(self, _: int) -> bytes:
        if self._variant == BARE:
            told = history_of(self._random.randrange(WARM_USERS), self._made.items, self._history)
            interactions = ",".join(f'{{"item_id":"{each}","event_type":"view_item","age_s":60}}' for each in told)
            query = f'{{"queries":[{{"history":[{interactions}],"k":{2 * K},"exclude":[]}}]}}'
            return post("/v1/rank", self._made.key, query.encode())
        user = self._random.randrange(WARM_USERS)
        if self._random.random() < COLD_SHARE:
            user, self._cold = WARM_USERS + self._cold, self._cold + 1
        return get(f"/v1/recommendations?user_id=user-{user}&k={K}", self._made.key)


async def one_round(
    made: World, variant: Variant, asked: Questions, concurrency: int, seconds: float
) -> dict[str, float]:
    """CPU of every process per request, rate, times, and the share of answers that a model gave."""
    before = {name: cpu_s(pid) for name, pid in variant.pids.items()}
    postgres_s = family_cpu_s(made.postgres_pid)
    load = await closed_loop(
        variant.port,
        asked,
        connections=concurrency,
        seconds=seconds,
        judged=lambda body: "model" if b'"source":"model"' in body or b'"rankings"' in body else "other",
    )
    spent = {f"{name}_us": (cpu_s(pid) - before[name]) / load.requests * 1e6 for name, pid in variant.pids.items()}
    return {
        "cpu_us": sum(spent.values()),
        "gateway_us": spent.get("gateway_us", 0.0),
        "inference_us": spent.get("inference_us", 0.0),
        "postgres_us": (family_cpu_s(made.postgres_pid) - postgres_s) / load.requests * 1e6,
        "per_s": load.requests / load.elapsed_s,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "model_share": load.by.get("model", 0) / max(1, sum(load.by.values())),
    }


def started(made: World, stack: ExitStack, *, rivals: bool) -> Iterator[Variant]:
    """Every variant, running."""
    port, inference_pid = stack.enter_context(inference(made, "inference"))
    gateway_port, gateway_pid = stack.enter_context(gateway(made, "gateway", inference=f"http://127.0.0.1:{port}"))
    yield Variant(OURS, gateway_port, {"gateway": gateway_pid, "inference": inference_pid})
    if rivals:
        yield Variant(BARE, port, {"inference": inference_pid})
        floor_port, pid = stack.enter_context(own_process(made, "floor", {}))
        yield Variant(FLOOR, floor_port, {"gateway": pid})
        scorer_port, scorer_pid = stack.enter_context(own_process(made, "scorer", {}))
        front_port, front_pid = stack.enter_context(own_process(made, "front", {"SCORER": str(scorer_port)}))
        yield Variant(TYPICAL, front_port, {"gateway": front_pid, "inference": scorer_pid})


@contextmanager
def own_process(made: World, role: str, changed: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Port and pid of one of this file's servers."""
    port = free_port()
    environment = made.environment(role) | {
        "EVERSHELF_GATEWAY_PORT": str(port),
        "EVERSHELF_INFERENCE_URL": "http://127.0.0.1:9",
        "BENCH_ITEMS": str(made.items),
        **changed,
    }
    command = [sys.executable, str(HERE), "--serve", role]
    with process(command, environment, port, ready="/readyz") as pid:
        yield port, pid


def champion(registry: Path) -> Any:  # noqa: ANN401 - inference's LoadedModel; this process alone imports it
    """The model, loaded as inference loads it."""
    from evershelf.inference.artifact_loader import load_model

    return load_model(registry / "models" / "bench", 2**31)


def ranked(model: Any, history: list[str], kinds: list[str], ages_s: list[float], **asked: Any) -> Any:  # noqa: ANN401
    """A ranking of the scorer that all variants share."""
    find = model.index_of.get
    return model.recommender.rank(
        np.array([find(each, -1) for each in history], np.int64),
        model.recommender.event_weights(kinds),
        np.array(ages_s, np.float64) / 86_400,
        k=asked["k"],
        excluded=np.array([find(each, -1) for each in asked["exclude"]], np.int64),
    )


def serve_floor() -> None:
    """The gateway as shipped, but with the model in its own process."""
    from evershelf.gateway.app import create_app
    from evershelf.gateway.inference_client import InferenceClient
    from evershelf.gateway.rank_wire import Evidence, RankedItem, Ranking
    from evershelf.gateway.server import server_config
    from evershelf.gateway.settings import GatewaySettings
    from evershelf.policy.compose import ModelReply

    settings = GatewaySettings()
    model = champion(Path(settings.registry))
    ids = model.item_ids

    class Local(InferenceClient):
        """Answers at once."""

        async def rank(self, history, *, k, exclude, answered, **_):  # noqa: ANN001, ANN003, ANN202
            told, kinds, ages = zip(*history, strict=True)
            found = ranked(model, list(told), list(kinds), list(ages), k=k, exclude=exclude)
            items = tuple(
                RankedItem(ids[item], score, tuple(Evidence(ids[i], share) for i, share in zip(*why, strict=True)))
                for item, score, *why in zip(
                    found.items.tolist(),
                    found.scores.tolist(),
                    found.evidence_items.tolist(),
                    found.evidence_shares.tolist(),
                    strict=True,
                )
            )
            return ModelReply(answered, 0.0, Ranking(items, 1.0, True), model.version)  # noqa: FBT003 - a struct

    app = create_app(settings)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:  # noqa: ANN401
        async with inner(app):
            parts = app.state.parts
            local = Local(settings, parts.telemetry, outside=parts.outside)
            app.state.parts = replace(parts, inference=local)
            yield

    app.router.lifespan_context = lifespan
    uvicorn.Server(server_config(app, settings)).run()


def serve_scorer() -> None:
    """The typical model service: FastAPI, models of pydantic in and out."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Asked(BaseModel):
        history: list[str]
        k: int

    class Item(BaseModel):
        item_id: str
        score: float

    class Answer(BaseModel):
        items: list[Item]

    app = FastAPI()
    model = champion(Path(os.environ["EVERSHELF_REGISTRY"]))

    @app.get("/readyz")
    def ready() -> str:
        return "ready"

    @app.post("/rank")
    async def rank(asked: Asked) -> Answer:
        count = len(asked.history)
        found = ranked(model, asked.history, ["view_item"] * count, [60.0] * count, k=asked.k, exclude=[])
        pairs = zip(found.items.tolist(), found.scores.tolist(), strict=True)
        return Answer(items=[Item(item_id=model.item_ids[item], score=score) for item, score in pairs])

    _run(app)


def serve_front() -> None:
    """The typical gateway: FastAPI, httpx2, models of pydantic in and out, everything else in memory."""
    import httpx2
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Item(BaseModel):
        item_id: str
        rank: int
        score: float
        source: str
        title: str
        price: int
        currency: str
        image_url: str
        page_url: str

    class Answer(BaseModel):
        user_id: str
        source: str
        items: list[Item]

    app, items = FastAPI(), int(os.environ["BENCH_ITEMS"])
    client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{os.environ['SCORER']}", timeout=2.0)
    titles = {item_id(number): f"A thing of some use, number {number}" for number in range(items)}

    @app.get("/readyz")
    def ready() -> str:
        return "ready"

    @app.get("/v1/recommendations")
    async def recommend(user_id: str, k: int) -> Answer:
        history = history_of(int(user_id[5:]), items, HISTORY_MIDDLE)
        found = (await client.post("/rank", json={"history": history, "k": 2 * k})).json()["items"]
        told = [
            Item(
                item_id=each["item_id"], rank=rank, score=each["score"], source="model",
                title=titles[each["item_id"]], price=100, currency="EUR",
                image_url=f"https://shop.example/pictures/{each['item_id']}.svg",
                page_url=f"https://shop.example/items/{each['item_id']}",
            )
            for rank, each in enumerate(found[:k], start=1)
        ]  # fmt: skip
        return Answer(user_id=user_id, source="model", items=told)

    _run(app)


def _run(app: Any) -> None:  # noqa: ANN401
    uvicorn.run(app, port=int(os.environ["EVERSHELF_GATEWAY_PORT"]), log_level="error", access_log=False)


def decide(told: Told, form: Form) -> None:
    """The targets that this benchmark decides."""

    def row(name: str, **wanted: float) -> Mapping[str, Any]:
        wanted = {"items": form.items_middle, "history": HISTORY_MIDDLE, "concurrency": TARGET_CONCURRENCY} | wanted
        return next(
            (
                each
                for each in told.rows
                if each["variant"] == name and all(each[key] == value for key, value in wanted.items())
            ),
            {},
        )

    ours, floor, typical = row(OURS), row(FLOOR), row(TYPICAL)
    told.judge("gateway CPU a request, concurrency 64, 100k items", 150, "us", lambda own: own["gateway_us"], ours)
    told.judge("inference CPU a request, concurrency 64, 100k items", 90, "us", lambda own: own["inference_us"], ours)
    rates = lambda own, other: own["per_s"] / other["per_s"]  # noqa: E731 - of two targets
    told.judge("requests/s over those without a hop", 0.6, "x", rates, ours, floor, at_least=True)
    note = f"CPU ratio {typical['cpu_us'] / ours['cpu_us']:.1f}"
    told.judge("requests/s over a typical FastAPI pair", 10, "x", rates, ours, typical, at_least=True, note=note)
    added = lambda own, bare: own["p50_ms"] - bare["p50_ms"]  # noqa: E731
    alone = row(OURS, concurrency=1), row(BARE, concurrency=1)
    told.judge("added to a bare hop at concurrency 1, p50", 0.3, "ms", added, *alone)
    what, sizes = "CPU a request, 1M items over 10k", (row(OURS, items=1_000_000), row(OURS, items=10_000))
    if all(sizes):
        told.judge(what, 1.5, "x", lambda large, small: large["cpu_us"] / small["cpu_us"], *sizes)
    else:
        told.targets.append(Target(what, 1.5, "x", None, note="the long form only"))


if __name__ == "__main__":
    main()
