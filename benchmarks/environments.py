"""Throw-away environments for what is compared with us: never in our own, and gone afterwards."""

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

INSTALL_S_MAX = 300
# What our artifact loader and kernel import; the peers get the versions that we have.
SCORER = ("cryptography", "numba", "numpy", "orjson", "pydantic", "pydantic-settings", "safetensors", "scipy")


def installed(folder: Path, packages: Sequence[str]) -> Path | str:
    """The interpreter of a new environment with the packages; where they cannot be had, why."""
    python, uv = folder / "bin" / "python", Path(sys.executable).with_name("uv")
    if uv.is_file():
        commands = [[uv, "venv", "--quiet", "--python", sys.executable, folder]]
        commands += [[uv, "pip", "install", "--quiet", "--python", python, *packages]]
    else:
        commands = [[sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "--quiet", *packages]]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    for command in commands:
        try:
            subprocess.run(
                list(map(str, command)), check=True, capture_output=True, timeout=INSTALL_S_MAX, env=environment
            )
        except subprocess.CalledProcessError as error:
            return (error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1][:200]
        except (subprocess.SubprocessError, OSError) as error:
            return str(error)[:200]
    return python


def scorer_packages() -> list[str]:
    """What the shared scorer needs, in our own versions."""
    return [f"{name}=={version(name)}" for name in SCORER]


def version_in(python: Path, package: str) -> str:
    """The version of a package in another environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout.strip()
