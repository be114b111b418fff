"""What benchmarks run on: a made-up catalog, model and histories of any size, and the real processes serving them."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import orjson
from accounting import cpu_s
from safetensors.numpy import save_file

from evershelf.contracts.events import Event, EventType
from evershelf.contracts.keys import Scope
from evershelf.contracts.manifest import DataWindow, ModelManifest, ServingComponent, ServingConfig
from evershelf.registry.artifact import describe
from evershelf.registry.store import DirectoryRegistry, promote
from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.storage.events import store_events
from evershelf.storage.keys import create_key, mint_key
from evershelf.storage.migrate import migrate
from evershelf.storage.postgres import open_pool
from evershelf.supervision.installation import free_port
from evershelf.supervision.process import die_with_parent
from evershelf.training.snapshot import publish

SECRET = "5b" * 32
CATEGORIES, WEIGHTS_A_ROW, RELATED_A_ROW = 40, 100, 20
K = 20
READY_S_MAX, STOP_S_MAX = 300.0, 30.0
CALM_S_MAX, CALM_WINDOW_S, CALM_SHARE = 90.0, 0.5, 0.05
ROWS_A_CALL = 1_000
CALM = {
    "EVERSHELF_GATEWAY_LOOP_LAG_MS_MAX": "1000000",  # a busy machine must not change what is measured
    "EVERSHELF_GATEWAY_HOLDOUT_SHARE": "0",
    "EVERSHELF_GATEWAY_INFERENCE_SLOW_MS": "1000000",
    "EVERSHELF_GATEWAY_INFERENCE_QUEUE_MS_MAX": "1000000",
}


@dataclass(frozen=True)
class World:
    """A furnished PostgreSQL and registry, and a key that may do everything."""

    folder: Path
    url: str
    postgres_pid: int
    key: str
    items: int

    def environment(self, name: str) -> dict[str, str]:
        """Settings of one process whose own folder is called `name`."""
        return {
            "PATH": os.environ["PATH"],
            "EVERSHELF_REGISTRY": str(self.folder / "registry"),
            "EVERSHELF_DATABASE_URL": self.url,
            "EVERSHELF_KEY_SECRET": SECRET,
            "EVERSHELF_GATEWAY_DATA_DIR": str(self.folder / name),
            "EVERSHELF_INFERENCE_CACHE_DIR": str(self.folder / name),
            **CALM,
        }


@contextmanager
def world(*, items: int, users: int, history: int) -> Iterator[World]:
    """A catalog of `items` with snapshot and model, `users` (`user-0` ...) with so many interactions each."""
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another account
        publish_all(folder / "registry", items)
        postgres = EmbeddedPostgres.start(folder / "postgres")
        stack.callback(postgres.stop)
        postgres.wait_ready()
        key = asyncio.run(_furnish(postgres.url, items, users, history))
        yield World(folder, postgres.url, postgres.pid, key, items)


def publish_all(registry: Path, items: int) -> None:
    """A snapshot and a champion over `item-0000000` ..., without a database: only their size and shape matter here."""
    store = DirectoryRegistry(registry)
    manifest = publish(store, snapshot_arrays(items), items=items, sequence=0, now=datetime.now(UTC))
    store.move_alias("snapshots", "current", manifest.version, expected_sequence=None, moved_by="bench", reason="bench")
    _publish_model(store, items)


def item_id(number: int) -> str:
    """Ids whose order is that of the numbers."""
    return f"item-{number:07d}"


def snapshot_arrays(items: int) -> dict[str, np.ndarray]:
    """As training.snapshot makes them: 200 bytes of JSON an item, 20 related items each."""
    ids = [item_id(number).encode() for number in range(items)]
    bodies = [
        b'{"item_id":"%b","title":"A thing of some use, number %d","categories":["c-%02d"],"price":%d,"currency":"EUR",'
        b'"image_url":"https://shop.example/pictures/%b.svg","page_url":"https://shop.example/items/%b"}'
        % (each, number, number % CATEGORIES, 100 + number % 9_900, each, each)
        for number, each in enumerate(ids)
    ]
    numbers = np.arange(items)
    per_category = min(200, items // CATEGORIES)
    scores = np.linspace(1.0, 0.1, per_category, dtype=np.float32)
    steps = np.random.default_rng(7).choice(items - 1, RELATED_A_ROW, replace=False) + 1
    return {
        **_texts("item_ids", ids, np.uint32),
        **_texts("item_json", bodies, np.uint64),
        "available": np.ones(items, np.uint8),
        "expires_at": np.zeros(items, np.int64),
        **_texts("categories", [b"c-%02d" % number for number in range(CATEGORIES)], np.uint32),
        "item_categories_indptr": np.arange(items + 1, dtype=np.uint32),
        "item_categories_indices": (numbers % CATEGORIES).astype(np.uint32),
        "popular_indices": numbers[:1_000].astype(np.uint32),
        "popular_scores": np.linspace(1.0, 0.1, min(1_000, items), dtype=np.float32),
        "category_popular_indptr": (np.arange(CATEGORIES + 1) * per_category).astype(np.uint32),
        "category_popular_indices": np.concatenate(
            [numbers[number::CATEGORIES][:per_category] for number in range(CATEGORIES)]
        ).astype(np.uint32),
        "category_popular_scores": np.tile(scores, CATEGORIES),
        "related_indptr": (np.arange(items + 1) * RELATED_A_ROW).astype(np.uint32),
        "related_indices": ((numbers[:, None] + steps[None, :]) % items).astype(np.uint32).ravel(),
        "related_scores": np.tile(np.linspace(1.0, 0.05, RELATED_A_ROW, dtype=np.float32), items),
        "static_indices": numbers[:200].astype(np.uint32),
    }


def _texts(name: str, texts: list[bytes], dtype: type) -> dict[str, np.ndarray]:
    bounds = np.concatenate(([0], np.cumsum([len(text) for text in texts])))
    return {name: np.frombuffer(b"".join(texts), np.uint8), f"{name}_offsets": bounds.astype(dtype)}


def _publish_model(registry: DirectoryRegistry, items: int) -> None:
    chance = np.random.default_rng(11)
    steps = np.sort(chance.choice(items - 1, WEIGHTS_A_ROW, replace=False)) + 1
    tensors = {
        "rows.indptr": np.arange(items + 1, dtype=np.int64) * WEIGHTS_A_ROW,
        "rows.indices": np.sort((np.arange(items)[:, None] + steps[None, :]) % items, axis=1).astype(np.int32).ravel(),
        "rows.weights": np.tile(chance.random(WEIGHTS_A_ROW, dtype=np.float32) + 0.1, items),
        "popularity": np.ones(items, np.float32),
    }
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-model-") as name:
        folder, now = Path(name), datetime.now(UTC)
        save_file(tensors, folder / "model.safetensors")
        (folder / "items.json").write_bytes(orjson.dumps([item_id(number) for number in range(items)]))
        component = ServingComponent(name="rows", weight=1.0, half_life_events=10.0)
        manifest = ModelManifest(
            version="bench",
            created_at=now,
            code_version="bench",
            seed=7,
            algorithm="co-visitation",
            parameters={},
            data=DataWindow(since=now - timedelta(1), until=now, events=1, users=1, items=items, sha256="0" * 64),
            items=items,
            serving=ServingConfig(components=(component,), event_weights=dict.fromkeys(EventType, 1.0)),
            metrics={},
            gate=(),
            files=describe(folder),
        )
        registry.publish("models", manifest, folder)
    promote(registry, "bench", moved_by="bench", reason="bench")


def history_of(user: int, items: int, length: int) -> list[str]:
    """What `user-<user>` viewed, newest first."""
    return [item_id((user * 7_919 + number * 104_729) % items) for number in range(length)]


async def _furnish(url: str, items: int, users: int, history: int) -> str:
    await migrate(url)
    pool, now = await open_pool(url), datetime.now(UTC)
    events = (
        Event(
            event_id=uuid4(),
            user_id=f"user-{user}",
            item_id=viewed,
            event_type=EventType.VIEW_ITEM,
            occurred_at=now - timedelta(minutes=number),
        )
        for user in range(users)
        for number, viewed in enumerate(history_of(user, items, history))
    )
    batch: list[Event] = []
    for event in events:
        batch.append(event)
        if len(batch) == ROWS_A_CALL:
            await store_events(pool, batch)
            batch = []
    await store_events(pool, batch)
    plain, stored = mint_key(bytes.fromhex(SECRET), "bench", list(Scope))
    await create_key(pool, stored, actor="bench")
    await pool.close()
    return plain


@contextmanager
def process(
    command: list[str], environment: Mapping[str, str], port: int, *, ready: str, folder: Path | None = None
) -> Iterator[int]:
    """The pid of a server that runs in `folder`, once `ready` (a path) answers 200."""
    child = subprocess.Popen(
        command,
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - one system call, prepared before the fork
    )
    try:
        await_ready(child, port, ready)
        await_calm(child.pid)
        yield child.pid
    finally:
        stop(child)


def stop(child: "subprocess.Popen[bytes]") -> None:
    """Ends a process, gently if it can be."""
    child.terminate()
    try:
        child.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def await_ready(child: "subprocess.Popen[bytes]", port: int, path: str) -> float:
    """Returns when the server is ready, with the seconds that it took."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < READY_S_MAX and child.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                return time.monotonic() - began_s
        except OSError:
            time.sleep(0.01)
    raise SystemExit(f"{child.args} did not become ready")


def await_calm(pid: int) -> None:
    """Returns once a server that nobody asks does little: what it does only once is not what a request costs.

    A gateway that is ready still indexes its catalog.
    """
    until_s, before_s = time.monotonic() + CALM_S_MAX, cpu_s(pid)
    while time.monotonic() < until_s:
        time.sleep(CALM_WINDOW_S)
        now_s = cpu_s(pid)
        if now_s - before_s < CALM_SHARE * CALM_WINDOW_S:
            return
        before_s = now_s


@contextmanager
def gateway(world: World, name: str, *, inference: str, **changed: str) -> Iterator[tuple[int, int]]:
    """Port and pid of a gateway as it is shipped."""
    port = free_port()
    environment = world.environment(name) | {
        "EVERSHELF_GATEWAY_PORT": str(port),
        "EVERSHELF_INFERENCE_URL": inference,
        **changed,
    }
    with process([sys.executable, "-m", "evershelf.gateway"], environment, port, ready="/readyz") as pid:
        yield port, pid


@contextmanager
def inference(world: World, name: str) -> Iterator[tuple[int, int]]:
    """Port and pid of an inference as it is shipped, with the champion loaded."""
    port = free_port()
    environment = world.environment(name) | {"EVERSHELF_INFERENCE_PORT": str(port)}
    with process([sys.executable, "-m", "evershelf.inference"], environment, port, ready="/readyz") as pid:
        yield port, pid


@dataclass(frozen=True)
class Load:
    """What a closed loop saw."""

    requests: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    by: Mapping[str, int]  # answers by what `judged` made of them


async def closed_loop(
    port: int,
    asked: Callable[[int], bytes],
    *,
    connections: int,
    seconds: float,
    judged: Callable[[bytes], str] = lambda body: json.loads(body)["source"],
) -> Load:
    """So many connections, each asking the next question once the last is answered; `asked(n)` is HTTP/1.1 as bytes."""
    times_ms: list[float] = []
    by: dict[str, int] = {}
    number, until_s = iter(range(10**9)), time.perf_counter() + seconds

    async def ask_on() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ended_s = 0.0
        while ended_s < until_s:  # each at least once
            turn, began_s = next(number), time.perf_counter()
            writer.write(asked(turn))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            ended_s = time.perf_counter()
            times_ms.append((ended_s - began_s) * 1_000)
            if turn % 16 == 0 or not head.startswith(b"http/1.1 20"):
                kind = judged(body) if head.startswith(b"http/1.1 20") else head[9:12].decode()
                by[kind] = by.get(kind, 0) + 1
        writer.close()
        await writer.wait_closed()

    began_s = time.perf_counter()
    await asyncio.gather(*(ask_on() for _ in range(connections)))
    elapsed_s, count = time.perf_counter() - began_s, len(times_ms)
    times_ms.sort()
    return Load(count, elapsed_s, times_ms[count // 2], times_ms[count * 99 // 100], times_ms[-1], by)


def get(target: str, key: str) -> bytes:
    """A GET as bytes, with a budget that a busy machine does not use up."""
    head = f"GET {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nX-Request-Deadline-Ms: 2000\r\n"
    return f"{head}Accept: */*\r\nUser-Agent: bench\r\n\r\n".encode()


def post(target: str, key: str, body: bytes, *more: str) -> bytes:
    """A POST of JSON as bytes, with `more` header lines."""
    head = f"POST {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    lines = "".join(f"{line}\r\n" for line in more)
    return f"{head}{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
