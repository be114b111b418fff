"""Fails when a lock file no longer fits pyproject.toml, or names a registry; needs no network."""  # noqa: INP001 - a program

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FOLDER = Path(__file__).resolve().parent
# Extras and groups that each file must cover.
FILES = {
    "gateway": ("gateway", "s3", "otlp"),
    "inference": ("inference", "s3", "otlp"),
    "training": ("training", "s3"),
    "dev": ("gateway", "inference", "training", "embedded", "s3", "otlp", "dev"),
}
ADDRESS = re.compile(r"[a-z]+://|^--?(?:i|f|index|extra-index|find-links)", re.MULTILINE)
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def main() -> int:
    """Print what is wrong, one line each; the exit code says whether anything is."""
    wrong = [line for name in FILES for line in find_faults(name)]
    for line in wrong:
        sys.stderr.write(line + "\n")
    return 1 if wrong else 0


def find_faults(name: str) -> Iterator[str]:
    """What is wrong with `requirements/<name>.txt`."""
    text = (FOLDER / f"{name}.txt").read_text()
    if ADDRESS.search(text):
        yield f"requirements/{name}.txt names a registry: write it with `make lock`"
    pins = {canonicalize_name(found[1]): Version(found[2]) for found in PIN.finditer(text)}
    for requirement in wanted(name):
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None or pinned not in requirement.specifier:
            yield f"requirements/{name}.txt has {requirement.name} {pinned}, not {requirement}: run `make lock`"


def wanted(name: str) -> Iterator[Requirement]:
    """What pyproject.toml asks for in the image (or the development set) `name`."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())
    known = project["project"]["optional-dependencies"] | project["dependency-groups"]
    lines = [*project["project"]["dependencies"], *(line for part in FILES[name] for line in known[part])]
    return (Requirement(line) for line in lines)


if __name__ == "__main__":
    sys.exit(main())
