"""The fault proxy as a process of its own: links that can be put into another condition at any time, from outside.

`python -m evershelf.drills.proxy SEED NAME=PORT ...` reads one JSON command a line and answers each with one JSON line;
`FaultProxy` is the other end. It ends when its standard input does.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, cast

import uvloop

from evershelf.drills.link import Call, Link, Tally
from evershelf.drills.link_fault import LinkFault
from evershelf.supervision.process import die_with_parent

LINE_BYTES_MAX = 256 * 2**20
END_TIMEOUT_S = 5.0


class ProxyFailedError(Exception):
    """The proxy's process did not do what it was told; the message says what."""


class FaultProxy:
    """The proxy's process, from the side of who runs it. Start it from the main thread: it ends with that thread."""

    def __init__(self, targets: Mapping[str, int], *, seed: int) -> None:
        arguments = [f"{name}={port}" for name, port in targets.items()]
        self._child = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "evershelf.drills.proxy", str(seed), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - one system call, prepared before the fork
        )
        ports = self._read()
        self.ports = {name: int(cast("int", port)) for name, port in ports.items()}

    def become(self, link: str, fault: LinkFault) -> None:
        """Puts a link into another condition; LinkFault() mends it."""
        self._tell({"do": "become", "link": link, "fault": fault.as_json()})

    def aim(self, link: str, port: int) -> None:
        """Gives the link another target; connections that exist keep the old one until they end."""
        self._tell({"do": "aim", "link": link, "port": port})

    def cut(self, link: str) -> None:
        """Resets the link's connections, so that new ones reach its new target."""
        self._tell({"do": "cut", "link": link})

    def tally(self, link: str) -> Tally:
        """What the link has seen so far."""
        return Tally(**cast("dict[str, int]", self._tell({"do": "tally", "link": link})))

    def calls(self, link: str, since_s: float = 0.0) -> list[Call]:
        """The calls that began at or after `since_s` (monotonic), in no order."""
        rows = self._tell({"do": "calls", "link": link, "since_s": since_s})["rows"]
        return [Call(*row) for row in cast("list[list[float]]", rows)]  # type: ignore[arg-type]  # JSON is untyped

    def close(self) -> None:
        """Ends the process and with it every connection."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._child.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _tell(self, command: dict[str, object]) -> dict[str, object]:
        pipe = cast("IO[bytes]", self._child.stdin)
        pipe.write(json.dumps(command).encode() + b"\n")
        pipe.flush()
        return self._read()

    def _read(self) -> dict[str, object]:
        line = cast("IO[bytes]", self._child.stdout).readline(LINE_BYTES_MAX)
        if not line:
            raise ProxyFailedError(f"the fault proxy has ended (exit code {self._child.wait()})")
        answer: dict[str, object] = json.loads(line)
        if "error" in answer:
            raise ProxyFailedError(str(answer["error"]))
        return answer


async def serve(seed: int, targets: Mapping[str, int]) -> None:
    """Runs the links and obeys standard input until it ends."""
    links = {name: Link(port, seed=seed + number) for number, (name, port) in enumerate(targets.items())}
    for link in links.values():
        await link.start()
    _say({name: link.port for name, link in links.items()})
    commands = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    try:
        while line := await commands.readline():
            _say(await _obeyed(links, json.loads(line)))
    finally:
        pipe.close()
        for link in links.values():
            await link.close()


async def _obeyed(links: Mapping[str, Link], command: dict[str, object]) -> dict[str, object]:
    try:
        link = links[str(command["link"])]
        match command["do"]:
            case "become":
                await link.become(LinkFault.from_json(cast("dict[str, object]", command["fault"])))
            case "aim":
                link.target_port = int(cast("int", command["port"]))
            case "cut":
                link.cut()
            case "tally":
                return asdict(link.tally)
            case "calls":
                since_s = float(cast("float", command["since_s"]))
                return {"rows": [call.as_row() for call in link.pending() if call.at_s >= since_s]}
            case unknown:
                return {"error": f"no such command: {unknown}"}
    except (KeyError, TypeError, ValueError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {}


def _say(answer: dict[str, object] | dict[str, int]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Runs until standard input ends."""
    seed, *targets = sys.argv[1:]
    named = dict(target.split("=", 1) for target in targets)
    uvloop.run(serve(int(seed), {name: int(port) for name, port in named.items()}))


if __name__ == "__main__":
    main()
