"""The house rules that no linter knows: sizes, opening sentences, and nothing that ties the code to one machine."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE_NAMES = {"utils", "util", "common", "core", "base", "helpers", "helper", "managers", "manager", "misc"}
# Local paths of a developer's machine, and hosts of package registries (each spelt so that this file does not match).
FORBIDDEN = re.compile(
    r"/(?:work|root|Users)/[a-z]|/home/[a-z]+/|"
    r"pypi\.o"
    r"rg|pythonhosted\.o"
    r"rg|registry\.npmj"
    r"s|/opt/(?:pypi|wheels)"
)
TEXT_SUFFIXES = {".py", ".sql", ".toml", ".txt", ".md", ".json", ".yaml", ".yml", ".sh", ".ts", ".tsx", ".mjs", ""}
NOT_OURS = {
    ".git",
    ".venv",
    ".evershelf",
    ".hypothesis",
    "node_modules",
    ".next",
    ".built",
    "__pycache__",
    "build",
    "dist",
}


def python_files() -> list[Path]:
    folders = ("src", "tests", "benchmarks", "requirements", "deploy")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def text_files() -> list[Path]:
    found = (path for path in ROOT.rglob("*") if path.is_file() and path.suffix in TEXT_SUFFIXES)
    return sorted(path for path in found if not any(p in NOT_OURS or p.endswith("_cache") for p in path.parts))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", python_files(), ids=name_of)
def test_a_module_is_short_and_says_what_it_is_for(path):
    # Promise: a file has at most 400 lines, its functions at most 60, and it opens with a sentence of purpose.
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert len(text.splitlines()) <= FILE_LINES_MAX
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= FUNCTION_LINES_MAX}
    assert not long


def test_no_module_has_a_vague_name():
    # Promise: a module is named after what it holds.
    vague = [name_of(path) for path in (ROOT / "src").rglob("*") if path.stem in VAGUE_NAMES]
    assert not vague


def test_nothing_names_a_machine_or_a_package_registry():
    # Promise: the repository reads the same on every machine.
    found = [
        f"{name_of(path)}:{number}: {hit[0]}"
        for path in text_files()
        if path.name not in {"uv.lock", Path(__file__).name}
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if (hit := FORBIDDEN.search(line))
    ]
    assert not found


def test_locks_hold_hashes_and_no_addresses():
    # Promise: every pinned package has a hash, and no lock file says where to fetch it.
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert {lock.stem for lock in locks} >= {"gateway", "inference", "training", "dev", "uv"}
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text, lock.name
        assert not re.search(r"^-", text, re.MULTILINE), lock.name
        assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\S)", text) if "==" in block), lock.name


# Statements whose effect outlives their transaction.
OF_A_SESSION = re.compile(
    r'(?:execute|fetch\w*)\(\s*f?"SET (?!LOCAL)|^(?:SET (?!LOCAL|TRANSACTION)|LISTEN |PREPARE |DECLARE |CREATE TEMP)|'
    r"pg_(?:try_)?advisory_lock",
    re.MULTILINE,
)


def test_only_connections_of_their_own_change_a_session():
    # storage.postgres hands connections of the pool on as they are: nobody may leave anything behind in one. These have
    # connections of their own.
    ours = ROOT / "src" / "evershelf"
    paths = [path for suffix in ("py", "sql") for path in ours.rglob(f"*.{suffix}") if "migrations" not in path.parts]
    found = {path.name for path in paths if OF_A_SESSION.search(path.read_text())}
    assert found == {"extract.py", "importing.sql", "turns.sql"}
