"""Which server carries the gateway: uvicorn with our quick lane, plain uvicorn, granian; CPU per answer, interleaved.

Usage: python benchmarks/servers.py [--form smoke|short|long] [--json] [--rounds 4] [--connections 16]
The same gateway answers in full and sheds, as in `front.py`. granian is installed into a throw-away folder; where that
fails it is skipped with a notice. CPU is that of all processes of each.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from environments import INSTALL_S_MAX
from front import ALWAYS_SHED, NEVER_SHED, SIZES, Variant, measure
from told import Told, parser

SERVERS = {"uvicorn + quick lane": "quick", "uvicorn": "asgi", "granian": "granian"}


def main() -> None:
    """All take turns in every round."""
    options = parser(__doc__, rounds=4)
    options.add_argument("--connections", type=int, default=16)
    arguments = options.parse_args()
    arguments.requests, arguments.items = SIZES[arguments.form]
    told = Told("servers")
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as another account
        variants = [each for server, way in SERVERS.items() for each in pair(server, way, {}) if way != "granian"]
        if arguments.form != "smoke" and fetched(Path(name) / "granian", told):
            variants += pair("granian", "granian", {"PYTHONPATH": str(Path(name) / "granian")})
        spent = asyncio.run(measure(Path(name), arguments, variants))
    first: dict[str, float] = {}
    for variant, values in spent.items():
        server, _, answer = variant.partition(", ")
        row = told.add_rounds({"server": server, "answer": answer}, [{"cpu_us": each} for each in values], "cpu_us")
        told.rows[-1] = {**row, "ratio": row["cpu_us"] / first.setdefault(answer, row["cpu_us"])}
    told.tell(as_json=arguments.json)


def pair(server: str, way: str, changed: dict[str, str]) -> list[Variant]:
    """A gateway that answers in full, and one that sheds."""
    return [
        Variant(f"{server}, full", way, "home", "personalized", NEVER_SHED | changed),
        Variant(f"{server}, shed", way, "home", "overloaded", ALWAYS_SHED | changed),
    ]


def fetched(folder: Path, told: Told) -> bool:
    """Whether granian lies in the folder, for our own interpreter to import; if not, a notice says why."""
    uv = Path(sys.executable).with_name("uv")
    pip = (
        [uv, "pip", "install", "--python", sys.executable] if uv.is_file() else [sys.executable, "-m", "pip", "install"]
    )
    command = [*pip, "--quiet", "--target", folder, "granian"]
    try:
        subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=INSTALL_S_MAX)
    except (subprocess.SubprocessError, OSError) as error:
        told.notes.append(f"granian: skipped, it cannot be installed: {error}")
        return False
    told.notes += [path.name.removesuffix(".dist-info") for path in folder.glob("granian-*.dist-info")]
    return True


if __name__ == "__main__":
    main()
