"""The verbs around a release: `migrate` and `openapi`."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from evershelf.cli.context import open_database
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line

OPENAPI_DIR = Path("openapi")


class OutdatedDocumentError(Exception):
    """A committed API document is not what the code says."""


def migrate(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Bring the database to the schema of this version."""
    from evershelf.storage.migrate import migrate as bring_up

    with open_database(data_dir) as url:
        report = asyncio.run(bring_up(url))
    if as_json:
        print_json({"before": report.before, "after": report.after, "applied": report.applied})
    else:
        print_line(
            f"schema {report.after}" + (f", applied {', '.join(report.applied)}" if report.applied else ", as it was")
        )


def openapi(
    check: Annotated[bool, typer.Option("--check", help="Fail if the committed documents differ.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the documents.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the documents lie.")] = OPENAPI_DIR,
    as_json: AsJson = False,
) -> None:
    """Print, write or check the OpenAPI documents of gateway and inference."""
    documents = _documents()
    differing = [name for name, text in documents.items() if not _is_same(folder / f"{name}.json", text)]
    if check and differing:
        raise OutdatedDocumentError(f"openapi/{differing[0]}.json is not what the code says: run `make openapi`")
    if write:
        folder.mkdir(parents=True, exist_ok=True)
        for name in differing:
            (folder / f"{name}.json").write_text(documents[name])
    if as_json or not (check or write):
        print_json({name: json.loads(text) for name, text in documents.items()})
    else:
        print_line(f"{len(documents)} documents, {len(differing)} written" if write else "up to date")


def _documents() -> dict[str, str]:
    from pydantic import SecretStr

    from evershelf.gateway.app import create_app as create_gateway
    from evershelf.gateway.settings import GatewaySettings
    from evershelf.inference.app import create_app as create_inference
    from evershelf.inference.settings import InferenceSettings

    gateway = create_gateway(GatewaySettings(key_secret=SecretStr("00" * 32)))
    inference = create_inference(InferenceSettings())
    return {
        name: json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
        for name, app in (("gateway", gateway), ("inference", inference))
    }


def _is_same(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except FileNotFoundError:
        return False
