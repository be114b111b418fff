"""A publisher that is killed at any moment leaves a registry that can be read and written on."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from evershelf.registry.store import DirectoryRegistry

KILLS = 8
# Publishes and moves the alias for as long as it lives, from the number on that it is given.
PUBLISHER = """
import sys
from pathlib import Path
from evershelf.registry.store import DirectoryRegistry
from tests.registry.fake_versions import snapshot_folder
registry, scratch = DirectoryRegistry(Path(sys.argv[1])), Path(sys.argv[2])
for number in range(int(sys.argv[3]), 10**9):
    name = f"v{number}"
    manifest = snapshot_folder(scratch / name, name, content=name.encode() * 200_000)
    print(number, flush=True)
    registry.publish("snapshots", manifest, scratch / name)
    before = registry.read_alias("snapshots", "current")
    registry.move_alias("snapshots", "current", name, expected_sequence=before.sequence if before else None,
                        moved_by="test", reason="newest")
"""


def test_a_kill_in_the_middle_of_publishing_leaves_nothing_half_done(tmp_path):
    """Promise: whatever a kill interrupts: listed versions are whole, the alias names one, the next writer goes on."""
    registry, random, begun = DirectoryRegistry(tmp_path / "registry"), np.random.default_rng(7), -1
    for kill in range(KILLS):
        words = (sys.executable, "-c", PUBLISHER, tmp_path / "registry", tmp_path / f"made-{kill}", str(begun + 1))
        root = Path(__file__).parents[2]
        with subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True, cwd=root) as publisher:
            assert publisher.stdout is not None
            for _ in range(3):
                begun = int(publisher.stdout.readline())
            time.sleep(float(random.random()) * 0.02)  # somewhere in this publication, or in one soon after
            publisher.kill()
            begun = max([begun, *(int(line) for line in publisher.stdout)])
        versions = registry.versions("snapshots")
        for version in versions:
            registry.check("snapshots", version)
        pointer = registry.read_alias("snapshots", "current")
        assert pointer is not None
        assert pointer.version in versions
        history = registry.alias_history("snapshots", "current")
        assert [move.sequence for move in history] == list(range(1, len(history) + 1))
        assert pointer.sequence == len(history)
    assert len(registry.versions("snapshots")) >= 2 * KILLS
