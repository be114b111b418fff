"""What the kernel says that a process has used."""

import os
import time
from pathlib import Path

from evershelf.supervision.process import children_of


def cpu_s(pid: int) -> float:
    """CPU time of another process, all threads, in seconds: its clock, by the kernel's numbering of such clocks."""
    return time.clock_gettime(~pid << 3 | 2)


def family_cpu_s(pid: int) -> float:
    """The same of a process and its children, those included that have ended; in steps of 10 ms."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(path.parent.name) == pid:
            ticks += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """A process and all that it started and they started, as far as they live."""
    found = [pid]
    for each in found:
        found += children_of(each)
    return found


def memory_bytes(pid: int) -> dict[str, int]:
    """Resident, peak and proportional memory of a process, as the kernel accounts them."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    rollup = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return {
        name: int(text.split()[0]) * 1_024
        for name, text in (("rss", status["VmRSS"]), ("peak", status["VmHWM"]), ("pss", rollup["Pss"]))
    }
