"""The Helm chart, rendered by helm: confined pods, the code's own names and paths, closed networks, no secret."""

import json
import re
import subprocess
import tomllib
from collections import defaultdict

import pytest
import yaml
from jsonschema_rs import Draft7Validator, Draft202012Validator

from evershelf.cli.config import settings_classes
from evershelf.cli.main import app
from evershelf.contracts.settings import ENV_PREFIX
from evershelf.gateway.settings import REPLICAS_MAX, GatewaySettings
from evershelf.inference.settings import InferenceSettings
from tests.deploy.rendered_chart import (
    BATCH,
    CHART,
    HELM,
    NAMED,
    ON_A_VOLUME,
    PARTS,
    PLAIN,
    ROOT,
    VENV,
    WATCHED,
    container_of,
    dockerfile_of,
    find,
    needs_helm,
    pod_templates,
    rendered,
    settings_told,
)  # fmt: skip

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
RULES = ROOT / "deploy" / "observability" / "prometheus" / "evershelf.rules.yaml"
KUBERNETES = sorted((VENV / "kubernetes").glob("*.json"))


def known_settings() -> dict[str, bool]:
    """Every setting of the code, and whether it is secret."""
    return {
        f"{ENV_PREFIX}{name}".upper(): "SecretStr" in str(field.annotation)
        for _, cls in settings_classes()
        for name, field in cls.model_fields.items()
    }


def faults_of(values: dict) -> set[str]:
    """Where the values do not fit the schema, as paths."""
    return {".".join(map(str, error.instance_path)) for error in Draft7Validator(SCHEMA).iter_errors(values)}


def with_values(**changes: dict) -> dict:
    """The defaults with what an installation has to say, and changes by chapter."""
    named = {"secrets": {"app": "shop", "database": "shop"}, "registry": {"url": "s3://bucket/evershelf"}}
    chapters = VALUES.keys() | changes.keys()
    return {key: {**VALUES.get(key, {}), **named.get(key, {}), **changes.get(key, {})} for key in chapters}


def test_the_chart_is_of_this_version_and_needs_no_other():
    # Promise: it deploys the images of this release, without charts of others.
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert "dependencies" not in chart
    assert not (CHART / "charts").exists()


def test_values_must_name_secrets_and_a_registry_and_nothing_else():
    # Promise: there is no default secret; all other values have defaults that fit.
    assert faults_of(VALUES) == {"secrets.app", "secrets.database", "registry"}
    assert faults_of(with_values()) == set()


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"gatway": {"replicas": 2}}, ""),
        ({"gateway": {"replica": 2}}, "gateway"),
        ({"gateway": {"settings": {"EVERSHELF_KEY_SECRET": "x"}}}, "gateway.settings"),
        ({"training": {"settings": {"EVERSHELF_REGISTRY_SIGNING_KEY": "x"}}}, "training.settings"),
        ({"web": {"settings": {"EVERSHELF_WEB_PASSWORD": "x"}}}, "web.settings"),
        ({"gateway": {"settings": {"EVERSHELF_GATEWAY_PORT": "9"}}}, "gateway.settings"),
        ({"gateway": {"settings": {"EVERSHELF_GATEWAY_SPOOL_EVENTS_MAX": 5_000_000}}},
         "gateway.settings.EVERSHELF_GATEWAY_SPOOL_EVENTS_MAX"),
        ({"registry": {"existingClaim": "too"}}, "registry"),
        ({"gateway": {"graceSeconds": 5}}, "gateway.graceSeconds"),
        ({"inference": {"replicas": REPLICAS_MAX + 1}}, "inference.replicas"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(changes, where):
    # Promise: a slip of the pen, a secret in the values or what the code would refuse ends before anything is applied.
    assert faults_of(with_values(**changes)) == {where}


@needs_helm
def test_helm_refuses_values_without_secrets():
    # Promise: helm applies the schema.
    done = subprocess.run([HELM, "template", "evershelf", CHART], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "/secrets/app" in done.stderr


@needs_helm
@pytest.mark.skipif(not KUBERNETES, reason="no schemas of Kubernetes: run `make helm`")
@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_every_resource_is_one_that_kubernetes_knows(path):
    # Promise: kinds, fields and types are those of the oldest Kubernetes that the chart allows and the newest known.
    schemas = json.loads(path.read_text())["$defs"]
    known = {
        (kind["group"], kind["version"], kind["kind"]): name
        for name, schema in schemas.items()
        for kind in schema.get("x-kubernetes-group-version-kind", [])
    }
    made = defaultdict(list)
    for resource in (each for words in (WATCHED, ON_A_VOLUME, (*NAMED, *PLAIN)) for each in rendered(*words)):
        group, _, version = resource["apiVersion"].rpartition("/")
        made[group, version, resource["kind"]].append(resource)
    ours = {kind for kind in made if kind[0] == "monitoring.coreos.com"}
    assert made.keys() - ours <= known.keys()
    for kind in made.keys() - ours:
        validator = Draft202012Validator({"$ref": f"#/$defs/{known[kind]}", "$defs": schemas})
        for resource in made[kind]:
            assert [error.message for error in validator.iter_errors(resource)] == [], resource["metadata"]["name"]


@needs_helm
@pytest.mark.parametrize("name", [*PARTS, *sorted(BATCH)])
def test_a_pod_is_confined(name):
    # Promise: what the restricted Pod Security Standard asks, a read-only root, the image's account, bounded memory.
    pod, container = pod_templates()[name]["spec"], container_of(name)
    account = {int(part) for part in re.search(r"^USER (\d+):(\d+)$", dockerfile_of(name), re.MULTILINE).groups()}
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert {security["runAsUser"], security["runAsGroup"], security["fsGroup"]} == account
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert pod["automountServiceAccountToken"] is False
    # Or a Service named evershelf-gateway would put `tcp://...` into EVERSHELF_GATEWAY_PORT.
    assert pod["enableServiceLinks"] is False
    assert all({"emptyDir", "persistentVolumeClaim"} & volume.keys() for volume in pod["volumes"])
    assert all(volume["emptyDir"]["sizeLimit"] for volume in pod["volumes"] if "emptyDir" in volume)
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


@needs_helm
@pytest.mark.parametrize("name", [*PARTS, *sorted(BATCH)])
def test_a_pod_fits_its_image(name):
    # Promise: image, port and folders are those of the Dockerfile.
    container, text = container_of(name), dockerfile_of(name)
    part = name if name in PARTS else "training"
    (folder,) = re.search(r'^VOLUME \["(.+)"\]$', text, re.MULTILINE).groups()
    assert container["image"].startswith(f"evershelf/{part}:")
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {folder, "/tmp"}
    assert {mount["mountPath"] for mount in container_of(name, *ON_A_VOLUME)["volumeMounts"]} - {folder, "/tmp"} == (
        set() if name == "web" else {"/var/lib/evershelf/registry"}
    )
    exposed = re.search(r"^EXPOSE (\d+)$", text, re.MULTILINE)
    assert [port["containerPort"] for port in container.get("ports", [])] == ([int(exposed[1])] if exposed else [])


@needs_helm
@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_asked_at_its_real_paths(name):
    # Promise: live and ready are two questions where the part knows both; no restart depends on a dependency.
    if name == "web":
        paths = {"/healthz"} if (ROOT / "web" / "app" / "healthz" / "route.ts").is_file() else set()
    else:
        paths = json.loads((ROOT / "openapi" / f"{name}.json").read_text())["paths"].keys()
    asked = {
        probe: container_of(name)[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")
    }
    live, ready = ("/healthz", "/healthz") if name == "web" else ("/livez", "/readyz")
    assert asked == {"startup": live, "liveness": live, "readiness": ready}
    assert set(asked.values()) <= set(paths)


@needs_helm
@pytest.mark.parametrize("name", [*PARTS, *sorted(BATCH)])
def test_a_pod_is_told_real_settings_and_no_secret_in_clear(name):
    # Promise: each name is a setting of the code; secrets come from existing Secrets, and only to who needs them.
    known, told = known_settings(), settings_told(name)
    foreign = {"AWS_REGION", "AWS_ENDPOINT", "AWS_ALLOW_HTTP", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    from_words = set(re.findall(r"--from (\w+)", " ".join(container_of(name).get("args", []))))
    assert told.keys() <= known.keys() | foreign | from_words
    assert from_words <= told.keys()
    secret = {each for each in told if known.get(each) or each in from_words}
    assert all("value" not in told[each] for each in secret)
    assert {told[each]["valueFrom"]["secretKeyRef"]["name"] for each in secret} <= {"shop", "shop-database"}
    needed = {
        "gateway": {"EVERSHELF_KEY_SECRET", "EVERSHELF_DATABASE_URL"},
        "inference": set(),
        "web": {f"EVERSHELF_WEB_{each}" for each in ("SHOP_KEY", "ADMIN_KEY", "PASSWORD", "SESSION_SECRET")},
    }
    batch = {"EVERSHELF_KEY_SECRET", "EVERSHELF_DATABASE_URL", "EVERSHELF_REGISTRY_SIGNING_KEY"}
    assert secret - from_words == needed.get(name, batch)


@needs_helm
def test_no_secret_is_made_and_each_key_is_one_that_make_secrets_writes():
    # Promise: the chart refers to Secrets that exist; a Secret made of make-secrets' file has every key it asks for.
    assert "Secret" not in {each["kind"] for each in rendered(*WATCHED)}
    made = set(re.findall(r"^ *keep (\w+)", (ROOT / "deploy/compose/make-secrets").read_text(), re.MULTILINE))
    references = re.findall(r"'secretKeyRef': {'name': '([\w-]+)', 'key': '(\w+)'}", str(rendered(*WATCHED)))
    assert {key for name, key in references if name == "shop"} <= made
    assert {key for name, key in references if name == "shop-database"} == {"EVERSHELF_DATABASE_URL"}


@needs_helm
def test_the_parts_start_from_what_they_are_told():
    # Promise: the settings classes take the rendered environment, and a gateway finds every replica that there may be.
    def read(cls, name):
        told = {each.removeprefix(ENV_PREFIX).lower(): spec.get("value") for each, spec in settings_told(name).items()}
        return cls(**{field: value or "00" * 32 for field, value in told.items() if field in cls.model_fields})

    gateway, inference = read(GatewaySettings, "gateway"), read(InferenceSettings, "inference")
    assert gateway.registry == inference.registry == "s3://bucket/evershelf"
    replicas = find("HorizontalPodAutoscaler", "inference")["spec"]["maxReplicas"]
    service = find("StatefulSet", "inference")["spec"]["serviceName"]
    assert find("Service", "inference")["metadata"]["name"] == service
    assert gateway.inference_url.split(",") == [
        f"http://evershelf-inference-{index}.{service}:8081" for index in range(replicas)
    ]
    gateway_web = settings_told("web")["EVERSHELF_WEB_GATEWAY_URL"]["value"]
    assert gateway_web == f"http://{find('Service', 'gateway')['metadata']['name']}:8080"


@needs_helm
def test_batch_pods_say_what_the_command_line_knows():
    # Promise: each line of the migration and each scheduled word is a verb; the schema is there before the new version.
    top = {command.name for command in app.registered_commands}
    groups = {group.name: {each.name for each in group.typer_instance.registered_commands}
              for group in app.registered_groups}  # fmt: skip
    lines = [line.split()[1:] for line in container_of("migrate")["args"][0].splitlines()]
    lines += [container_of(name)["args"] for name in BATCH - {"migrate"}]
    assert len(lines) == 7
    assert all(line[0] in top or line[1] in groups[line[0]] for line in lines)
    assert lines[0] == ["migrate"]
    assert find("Job", "migrate")["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert {name for name in BATCH if name != "migrate" and find("CronJob", name)["spec"]["timeZone"] == "Etc/UTC"} == {
        "retrain", "refresh", "retention",
    }  # fmt: skip


@needs_helm
def test_a_gateway_gets_its_own_disk_back():
    # Promise: acknowledged events lie on a gateway's own volume, which outlives the pod, fewer pods and the release.
    spec = find("StatefulSet", "gateway")["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["podManagementPolicy"] == "Parallel"
    grace = GatewaySettings(key_secret="00" * 32).gateway_grace_s
    pause = container_of("gateway")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > pause + grace


@needs_helm
@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_spread_and_never_taken_away_whole(name):
    # Promise: budget, spread, scaler and Service count the pods of exactly this part.
    words = (*WATCHED, "web.autoscaling.enabled=true")
    labels = pod_templates(*words)[name]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == name
    budget = find("PodDisruptionBudget", name, *words)["spec"]
    assert budget["maxUnavailable"] == 1
    spread = pod_templates(*words)[name]["spec"]["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    selectors = [budget["selector"]["matchLabels"], find("Service", name, *words)["spec"]["selector"]]
    assert all(each == labels for each in selectors + [each["labelSelector"]["matchLabels"] for each in spread])
    scaler = find("HorizontalPodAutoscaler", name, *words)["spec"]
    workload = find(scaler["scaleTargetRef"]["kind"], name, *words)
    assert workload["metadata"]["name"] == scaler["scaleTargetRef"]["name"]
    assert "replicas" not in workload["spec"]
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]


@needs_helm
def test_a_fixed_number_of_replicas_needs_no_scaler():
    # Promise: without autoscaling the number is the one in the values, and gateways know as many replicas.
    words = (*NAMED, *PLAIN, "inference.replicas=3")
    assert not [each for each in rendered(*words) if each["kind"] == "HorizontalPodAutoscaler"]
    assert find("StatefulSet", "gateway", *words)["spec"]["replicas"] == 2
    told = {each["name"]: each.get("value") for each in container_of("gateway", *words)["env"]}
    assert len(told["EVERSHELF_INFERENCE_URL"].split(",")) == 3
    assert not [each for each in rendered(*words) if "-web" in each["metadata"]["name"]]


def peers(name: str, direction: str, *words: str) -> dict[int, list]:
    """Who a part's policy lets in, or where to, by port; without peers: everybody."""
    spec = find("NetworkPolicy", name, *(words or WATCHED))["spec"]
    assert spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == name
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    side = {"ingress": "from", "egress": "to"}[direction]
    return {port["port"]: rule.get(side) for rule in spec[direction] for port in rule["ports"]}


def only(*parts: str) -> list[dict]:
    selected = {"app.kubernetes.io/name": "evershelf", "app.kubernetes.io/instance": "evershelf"}
    return [{"podSelector": {"matchLabels": selected | {"app.kubernetes.io/component": part}}} for part in parts]


@needs_helm
def test_networks_are_closed_but_for_the_right_peers():
    # Promise: inference hears gateways (and scrapers), web and gateway hear callers; web reaches the gateway alone.
    callers, scraper = [{"podSelector": {}}], {"namespaceSelector": {"matchLabels": {"team": "watch"}}}
    assert peers("inference", "ingress") == {8081: only("gateway")}
    assert peers("gateway", "ingress") == {8080: only("web") + callers}
    assert peers("web", "ingress") == {3000: callers}
    assert peers("training", "ingress") == {}
    assert peers("gateway", "egress") == {8081: only("inference"), 5432: None, 443: None, 53: None}
    assert peers("inference", "egress") == {443: None, 53: None}
    assert peers("web", "egress") == {8080: only("gateway"), 53: None}
    assert peers("training", "egress") == {5432: None, 443: None, 53: None}
    assert peers("inference", "egress", *ON_A_VOLUME) == {53: None}
    narrowed = (*NAMED, "networkPolicy.scrapers[0].namespaceSelector.matchLabels.team=watch")
    assert peers("inference", "ingress", *narrowed) == {8081: [*only("gateway"), scraper]}
    assert peers("gateway", "ingress", *narrowed) == {8080: [*only("web"), *callers, scraper]}
    covered = {template["metadata"]["labels"]["app.kubernetes.io/component"] for template in pod_templates().values()}
    assert covered == {"gateway", "inference", "web", "training"}


@needs_helm
def test_alerts_and_jobs_are_those_of_the_repository():
    # Promise: the same rules, and the job names that they count on, whatever the release is called.
    told = yaml.safe_load(RULES.read_text())
    assert find("PrometheusRule", "rules")["spec"] == told
    for name in ("gateway", "inference"):
        monitor = find("ServiceMonitor", name)
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["path"] == "/metrics"
        assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": f"evershelf-{name}"}]
        assert f'"evershelf-{name}"' in RULES.read_text()
        service = find("Service", name)
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        assert monitor["metadata"]["labels"]["release"] == "prom"
    assert not [each for each in rendered(*NAMED) if each["apiVersion"].startswith("monitoring.")]


@needs_helm
def test_nothing_is_meant_for_one_controller():
    # Promise: no annotations but helm's own, no Ingress class, nothing of another chart.
    annotations = {key for each in rendered(*WATCHED) for key in each["metadata"].get("annotations", {})}
    assert annotations == {"helm.sh/hook", "helm.sh/hook-delete-policy"}
    assert all("annotations" not in template["metadata"] for template in pod_templates().values())
    assert "bitnami" not in str(rendered(*WATCHED)).lower()
    assert len({(each["kind"], each["metadata"]["name"]) for each in rendered(*WATCHED)}) == len(rendered(*WATCHED))
