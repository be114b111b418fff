"""The simulated world: one gateway, everything it depends on, and the faults that befall them."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, cast

from evershelf.gateway.outside import Clock, Outside
from evershelf.gateway.settings import GatewaySettings
from evershelf.registry.aliases import CURRENT
from evershelf.registry.store import DirectoryRegistry
from evershelf.simulation import inference, shop
from evershelf.simulation.disk import SimulatedDisk
from evershelf.simulation.faults import Fault, Happening, Weather
from evershelf.simulation.gateway_process import SimulatedGateway
from evershelf.simulation.invariants import Checks
from evershelf.simulation.network import SimulatedNetwork
from evershelf.simulation.plants import NOTHING, Plant
from evershelf.simulation.postgres import SimulatedPostgres
from evershelf.simulation.tables import Tables
from evershelf.simulation.truth import Pause, Truth
from evershelf.simulation.virtual_time import START_S, VirtualLoop

DOWN_S = (0.1, 1.5)
CLOCK_STEP_S = 3_600.0
STALL_S = (0.05, 0.2)


class World:
    """Built for one seed. `folder` is the gateway's disk and the registry; `template` a registry to begin with."""

    def __init__(self, loop: VirtualLoop, seed: int, *, folder: Path, template: Path, plant: Plant = NOTHING) -> None:
        self.loop = loop
        self.plant = plant
        self.random = Random(f"world {seed}")
        self.folder = folder
        self.weather = Weather(Random(f"weather {seed}"), loop.time)
        self.truth = Truth()
        self.tables = Tables()
        shop.fill(self.tables)
        self.postgres = SimulatedPostgres(self.tables, self.weather, plants=plant.statements)
        self.inference = inference.SimulatedInference(
            self.weather, loop.time, item_ids=[item.item_id for item in shop.catalog()]
        )
        self.checks = Checks(self.truth, self.weather, loop.time)
        self.inference.on_call = self.checks.called
        self.disk = SimulatedDisk(self.weather, crash=self._killed)
        self._digest = sha256()
        self._clock_offset_s = 0.0
        self._gateway: SimulatedGateway | None = None
        self.buried: list[SimulatedGateway] = []
        self._restarting = asyncio.Lock()
        self._chores: set[asyncio.Task[None]] = set()
        network = SimulatedNetwork(loop)
        network.services[inference.PORT] = self.inference
        loop.network = network
        loop.thread_delays_s = self.disk.delays_s
        loop.set_exception_handler(self._unhandled)
        shop.copy_registry(template, folder / "registry")
        self.registry = DirectoryRegistry(folder / "registry")
        self.versions = sorted(self.registry.versions("snapshots"))
        self.truth.pointed_at = self.versions[1]
        self.settings = GatewaySettings.model_validate({
            "key_secret": shop.SECRET,
            "gateway_holdout_share": 0.0,
            "gateway_data_dir": folder / "gateway",
            "registry": str(folder / "registry"),
            "database_url": "postgresql://simulated/evershelf",
            "inference_url": f"http://127.0.0.1:{inference.PORT}",
        })  # fmt: skip
        self._gateway_random = Random(f"gateway {seed}")

    @property
    def gateway(self) -> SimulatedGateway | None:
        """The gateway, if one takes connections."""
        return self._gateway if self._gateway is not None and self._gateway.is_up else None

    def unix_s(self) -> float:
        """The time of day as the gateway's machine has it."""
        return shop.OPENING.timestamp() + self.loop.time() - START_S + self._clock_offset_s

    def note(self, *facts: object) -> None:
        """Goes into the digest: what must be the same whenever this seed is run."""
        self._digest.update(repr((round(self.loop.time(), 9), facts)).encode())

    @property
    def digest(self) -> str:
        """Of all that was noted."""
        return self._digest.hexdigest()

    async def start_gateway(self) -> None:
        """Starts a gateway on the disk that the one before left."""
        outside = Outside(
            clock=Clock(monotonic_s=self.loop.time, unix_s=self.unix_s),
            random=Random(self._gateway_random.getrandbits(64)),
            connect=cast("Any", self.postgres.connect),  # no asyncpg, and used like one
            open_pool=cast("Any", self.postgres.open_pool),  # likewise
            open_sqlite=self.disk.open_sqlite,
            settle=lambda: None,
        )
        name = f"gateway-{len(self.buried)}"
        outside = self.plant.outside(outside)
        self._gateway = SimulatedGateway(self.loop, self.settings, outside, name=name, wrap=self._wrapped)
        await self._gateway.start()
        self.truth.started_s.append((self._gateway.began_s, self.loop.time()))
        self.truth.hears_again("down", now_s=self.loop.time())
        if self.truth.down_s and self.truth.down_s[-1][1] is None:
            self.truth.down_s[-1] = (self.truth.down_s[-1][0], self.loop.time())
        self.note("started", name)

    def kill_gateway(self) -> None:
        """Kill -9, from outside."""
        if self._gateway is not None and not self._gateway.process.killed:
            self._killed()

    async def restart_gateway(self, between: Callable[[], None] = lambda: None) -> None:
        """Killed, and started again a moment later; `between` happens to its disk meanwhile."""
        async with self._restarting:
            self.kill_gateway()
            await asyncio.sleep(self.weather.between(*DOWN_S))
            between()
            await self.start_gateway()

    async def befall(self, happening: Happening) -> None:
        """One fault, from its beginning to its end."""
        await asyncio.sleep(happening.start_s)
        fault = happening.fault
        self.note("begins", fault)
        self.weather.begin(fault)
        if fault.startswith("postgres") or fault is Fault.ALONE:
            self.truth.becomes_deaf(fault, now_s=self.loop.time())
        work = _EFFECTS.get(fault)
        if work is not None:
            await work(self)
        await asyncio.sleep(max(0.0, START_S + happening.end_s - self.loop.time()))
        await self._end(fault)

    async def _end(self, fault: Fault) -> None:
        if fault is Fault.GATEWAY_STOPPED and self._gateway is not None:
            self.loop.thaw(self._gateway.process)
        if fault in self.weather.on:
            self.weather.end(fault)
        self.truth.hears_again(fault, now_s=self.loop.time())
        self.note("ends", fault)

    def bury(self) -> list["asyncio.Task[None]"]:
        """What is left of every gateway, to be cancelled when the run is over."""
        if self._gateway is not None:
            self.buried.append(self._gateway)
            self._gateway = None
        for gateway in self.buried:
            self.loop.bury(gateway.process)
        return [task for gateway in self.buried for task in gateway.remains()]

    # What faults do ----------------------------------------------------------------------------------------------

    def _killed(self) -> None:
        gateway = self._gateway
        if gateway is None:
            return
        self._gateway = None
        self.buried.append(gateway)
        self._went_down()
        gateway.kill()
        self.postgres.forget(gateway.process)
        self.disk.forget()
        self.note("killed", gateway.process.name)

    def _went_down(self) -> None:
        if not self.truth.down_s or self.truth.down_s[-1][1] is not None:
            self.truth.down_s.append((self.loop.time(), None))
        self.truth.becomes_deaf("down", now_s=self.loop.time())
        if self.weather.recently(Fault.DISK_HANGS, Fault.DISK_SLOW, within_s=2.0):
            self.truth.surely_heard.clear()  # it may not have been written down yet

    async def kill_and_restart(self) -> None:
        """GATEWAY_KILLED."""
        self.weather.happened(Fault.GATEWAY_KILLED)
        await self.restart_gateway()

    async def restart_when_crashed(self) -> None:
        """GATEWAY_KILLED_WRITING: the disk kills it at its next commit."""
        while Fault.GATEWAY_KILLED_WRITING in self.weather.on:
            await asyncio.sleep(0.05)
        async with self._restarting:
            if self._gateway is None:
                await asyncio.sleep(self.weather.between(*DOWN_S))
                await self.start_gateway()

    async def restart_in_order(self) -> None:
        """GATEWAY_RESTARTED."""
        async with self._restarting:
            if (gateway := self.gateway) is None:
                return
            self.weather.happened(Fault.GATEWAY_RESTARTED)
            self._went_down()
            await gateway.shut_down()
            self.kill_gateway()
            await self.start_gateway()

    async def damage_spool(self) -> None:
        """SPOOL_DAMAGED: what was acknowledged and not yet shipped lies in a file that cannot be read."""
        self.weather.happened(Fault.SPOOL_DAMAGED)
        await self.restart_gateway(self._damage_spool)

    def _damage_spool(self) -> None:
        self.truth.exempt |= {event_id for event_id in self.truth.acked if event_id not in self.tables.events}
        self.truth.forgotten_s = self.loop.time()
        self.truth.interested.clear()
        for event_id in self.truth.acked.keys() - self.truth.exempt:
            self.truth.takes_interest(self.truth.acked[event_id])
        _overwrite(self.folder / "gateway" / "spool.sqlite", at=0)

    async def damage_mirror(self) -> None:
        """MIRROR_DAMAGED."""
        self.weather.happened(Fault.MIRROR_DAMAGED)
        await self.restart_gateway(self._damage_mirror)

    def _damage_mirror(self) -> None:
        self.truth.surely_heard.clear()
        _overwrite(self.folder / "gateway" / "mirror.json", at=40)

    async def publish_new(self) -> None:
        """SNAPSHOT_NEW."""
        await self._point_at(self.versions[2])
        self.weather.happened(Fault.SNAPSHOT_NEW)

    async def publish_broken(self) -> None:
        """SNAPSHOT_BROKEN: whole but for one byte; gateways that have it already keep theirs."""
        version = self.versions[2]
        await self._registry_is_there()
        files = sorted((self.folder / "registry" / "snapshots" / version).glob("*.safetensors"))
        _overwrite(files[0], at=files[0].stat().st_size // 2)
        self.truth.broken.add(version)
        await self._point_at(version)
        self.weather.happened(Fault.SNAPSHOT_BROKEN)

    async def go_back(self) -> None:
        """SNAPSHOT_BACK."""
        await self._point_at(self.versions[0])
        self.weather.happened(Fault.SNAPSHOT_BACK)

    async def _registry_is_there(self) -> None:
        while not (self.folder / "registry").exists():
            await asyncio.sleep(0.1)

    async def _point_at(self, version: str) -> None:
        await self._registry_is_there()
        pointer = self.registry.read_alias("snapshots", CURRENT)
        if pointer is not None:
            self.registry.move_alias(
                "snapshots", CURRENT, version, expected_sequence=pointer.sequence, moved_by="world", reason="a fault"
            )
            if version != self.truth.pointed_at:
                self.truth.pointed_at, self.truth.pointed_s = version, self.loop.time()

    async def hide_registry(self) -> None:
        """REGISTRY_GONE, until it ends."""
        gone = self.folder / "registry-gone"
        await self._registry_is_there()
        (self.folder / "registry").rename(gone)
        self.weather.happened(Fault.REGISTRY_GONE)
        self._chore(self._bring_back(gone))

    async def _bring_back(self, gone: Path) -> None:
        while Fault.REGISTRY_GONE in self.weather.on:
            await asyncio.sleep(0.1)
        gone.rename(self.folder / "registry")

    async def stop_gateway(self) -> None:
        """GATEWAY_STOPPED: SIGSTOP for a while."""
        gateway, start_s = self.gateway, self.loop.time()
        if gateway is None:
            return
        self.weather.happened(Fault.GATEWAY_STOPPED)
        self.loop.freeze(gateway.process)
        self.truth.becomes_deaf("stopped", now_s=start_s)
        await asyncio.sleep(self.weather.between(0.2, 3.0))
        self.loop.thaw(gateway.process)
        self.truth.pauses.append(Pause(start_s, self.loop.time()))
        self.truth.hears_again("stopped", now_s=self.loop.time())

    async def stall_loop(self) -> None:
        """LOOP_STALLED: something on the event loop takes long."""
        start_s = self.loop.time()
        self.weather.happened(Fault.LOOP_STALLED)
        self.loop.stall(self.weather.between(*STALL_S))
        self.truth.pauses.append(Pause(start_s, self.loop.time()))

    async def step_clock(self) -> None:
        """CLOCK_STEPS: the time of day, not the monotonic clock."""
        self._clock_offset_s += CLOCK_STEP_S if self.weather.between(0, 1) < 0.5 else -CLOCK_STEP_S
        self.weather.happened(Fault.CLOCK_STEPS)

    async def reset_inference(self) -> None:
        """INFERENCE_DEAD: what stood is reset."""
        self.inference.die()

    async def leave_alone(self) -> None:
        """ALONE: a restart without PostgreSQL and inference."""
        self.weather.happened(Fault.ALONE)
        self.inference.die()
        await self.restart_gateway()

    def _wrapped(self, app: Any) -> Any:
        return self.plant.app(app, self)

    def _chore(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.checks.fail("G1", f"unhandled: {context.get('message')} {context.get('exception')!r}")


_EFFECTS = {
    Fault.GATEWAY_KILLED: World.kill_and_restart,
    Fault.GATEWAY_KILLED_WRITING: World.restart_when_crashed,
    Fault.GATEWAY_RESTARTED: World.restart_in_order,
    Fault.GATEWAY_STOPPED: World.stop_gateway,
    Fault.SPOOL_DAMAGED: World.damage_spool,
    Fault.MIRROR_DAMAGED: World.damage_mirror,
    Fault.SNAPSHOT_NEW: World.publish_new,
    Fault.SNAPSHOT_BROKEN: World.publish_broken,
    Fault.SNAPSHOT_BACK: World.go_back,
    Fault.REGISTRY_GONE: World.hide_registry,
    Fault.LOOP_STALLED: World.stall_loop,
    Fault.CLOCK_STEPS: World.step_clock,
    Fault.INFERENCE_DEAD: World.reset_inference,
    Fault.ALONE: World.leave_alone,
}


def _overwrite(path: Path, *, at: int) -> None:
    """Damages a few bytes where there are any."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\x00damaged\x00")
