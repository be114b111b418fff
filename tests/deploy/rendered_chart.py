"""The chart as helm renders it, and what of it the tests ask for."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm"
# What an installation has to say, and the parts that are off by default.
NAMED = ("secrets.app=shop", "secrets.database=shop-database", "registry.url=s3://bucket/evershelf")
WATCHED = (*NAMED, "monitoring.enabled=true", "monitoring.labels.release=prom")
ON_A_VOLUME = ("secrets.app=shop", "secrets.database=shop-database", "registry.existingClaim=registry")
PLAIN = ("web.enabled=false", "gateway.autoscaling.enabled=false", "inference.autoscaling.enabled=false")
PARTS = ("gateway", "inference", "web")
BATCH = {"migrate", "retrain", "refresh", "retention"}
# Where `make helm` puts them; a helm on PATH goes first.
VENV = Path(sys.executable).parents[1]
HELM = shutil.which("helm", path=f"{os.environ['PATH']}{os.pathsep}{VENV / 'bin'}")
needs_helm = pytest.mark.skipif(HELM is None, reason="no helm: run `make helm`")


@cache
def rendered(*words: str) -> tuple[dict, ...]:
    """The resources that the chart makes, for `--set` words."""
    assert HELM is not None
    command = [HELM, "template", "evershelf", CHART, *(part for word in words for part in ("--set", word))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(each for each in yaml.safe_load_all(done.stdout) if each)


def find(kind: str, name: str, *words: str) -> dict:
    (found,) = [each for each in rendered(*(words or WATCHED)) if each["kind"] == kind and ends(each, name)]
    return found


def ends(resource: dict, name: str) -> bool:
    return resource["metadata"]["name"] == f"evershelf-{name}"


def pod_templates(*words: str) -> dict[str, dict]:
    """The pod of each workload by the container's name; a pod has one."""
    found = {}
    for each in rendered(*(words or WATCHED)):
        spec = each.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            (container,) = template["spec"]["containers"]
            found[container["name"]] = template
    return found


def container_of(name: str, *words: str) -> dict:
    return pod_templates(*words)[name]["spec"]["containers"][0]


def settings_told(name: str) -> dict[str, dict]:
    return {each["name"]: each for each in container_of(name)["env"]}


def dockerfile_of(name: str) -> str:
    return (ROOT / "deploy" / "docker" / f"{name if name in PARTS else 'training'}.Dockerfile").read_text()
