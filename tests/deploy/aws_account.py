"""What `deploy/aws/check apply` does in the imitation: `use` what Terraform made, see that nothing is `left`."""

import json
import os
import sys
import tempfile
from pathlib import Path

import boto3
import pytest

from evershelf.gateway.embedded_metrics import FIGURES
from evershelf.registry.aliases import CHAMPION, AliasConflict
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.objects import ObjectRegistry
from evershelf.registry.store import promote
from tests.inference.fake_model import model_folder

SECRETS = ("EVERSHELF_KEY_SECRET", "EVERSHELF_OPERATOR_KEY", "EVERSHELF_WEB_PASSWORD")
# What costs money or can be reached: client, call, where its answer lists what there is, what of it is not ours.
KINDS = (
    ("rds", "describe_db_instances", "DBInstances"),
    ("s3", "list_buckets", "Buckets"),
    ("ecr", "describe_repositories", "repositories"),
    ("elbv2", "describe_load_balancers", "LoadBalancers"),
    ("elbv2", "describe_target_groups", "TargetGroups"),
    ("ec2", "describe_nat_gateways", "NatGateways"),
    ("ec2", "describe_addresses", "Addresses"),
    ("ec2", "describe_vpcs", "Vpcs"),
    ("secretsmanager", "list_secrets", "SecretList"),
    ("logs", "describe_log_groups", "logGroups"),
    ("iam", "list_roles", "Roles"),
    ("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList"),
    ("cloudwatch", "describe_alarms", "MetricAlarms"),
    ("cloudwatch", "list_dashboards", "DashboardEntries"),
    ("sns", "list_topics", "Topics"),
    ("scheduler", "list_schedules", "Schedules"),
    ("servicediscovery", "list_namespaces", "Namespaces"),
)
# Every account has a network that AWS made; a deleted gateway stays listed for a while.
NOT_OURS = ("IsDefault", True), ("State", "deleted")


def there() -> dict[str, int]:
    """How many of each kind there are."""
    ecs = boto3.client("ecs")
    clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    found = {"ecs clusters": sum(one["status"] == "ACTIVE" for one in clusters)}  # a deleted one stays known
    for client, call, listed in KINDS:
        told = getattr(boto3.client(client), call)()[listed]
        found[f"{client} {listed}"] = sum(
            not (isinstance(one, dict) and any(one.get(key) == value for key, value in NOT_OURS)) for one in told
        )
    return found


def keep_secrets(secret: str) -> None:
    """The guide's way: one JSON object, of which each task is given single keys."""
    client = boto3.client("secretsmanager")
    client.put_secret_value(SecretId=secret, SecretString=json.dumps(dict.fromkeys(SECRETS, "a made-up value")))
    kept = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
    assert set(SECRETS) <= kept.keys()


def keep_a_model(address: str) -> None:
    """A version goes into the bucket, its alias moves by compare-and-swap, the bucket keeps what was there."""
    registry, bucket = ObjectRegistry(address), address.removeprefix("s3://").split("/")[0]
    moved = {"moved_by": "check", "reason": "check"}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "m1")
        manifest = model_folder(made, "m1")
        with pytest.raises(ArtifactRefused):  # the bucket's policy: nothing without TLS, which the imitation lacks
            registry.publish("models", manifest, made)
        boto3.client("s3").delete_bucket_policy(Bucket=bucket)
        registry.publish("models", manifest, made)
        registry.publish("models", model_folder(Path(folder, "m2"), "m2"), Path(folder, "m2"))
    outdated = promote(registry, "m1", **moved).sequence
    promote(registry, "m2", **moved)
    with pytest.raises(AliasConflict):
        registry.move_alias("models", CHAMPION, "m1", expected_sequence=outdated, **moved)
    assert boto3.client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def feed_the_alarms(alarms: list[str]) -> int:
    """Figures of a gateway reach each alarm that reads them, by name and dimension; how many alarms do."""
    client = boto3.client("cloudwatch")
    dimensions = [{"Name": "Service", "Value": "gateway"}]
    client.put_metric_data(
        Namespace="Evershelf",
        MetricData=[{"MetricName": f.name, "Dimensions": dimensions, "Value": 1.0} for f in FIGURES],
    )
    listed = {
        (m["MetricName"], m["Dimensions"][0]["Value"]) for m in client.list_metrics(Namespace="Evershelf")["Metrics"]
    }
    told = client.describe_alarms(AlarmNames=alarms)["MetricAlarms"]
    assert len(told) == len(alarms)
    reads = {
        alarm["AlarmName"]: [q["MetricStat"]["Metric"] for q in alarm.get("Metrics", []) if "MetricStat" in q]
        for alarm in told
    }
    for name, metrics in reads.items():
        assert all((m["MetricName"], m["Dimensions"][0]["Value"]) in listed for m in metrics), name
    assert all(alarm["AlarmActions"] for alarm in told)
    return sum(bool(metrics) for metrics in reads.values())


def main() -> None:
    """`use` reads Terraform's outputs (JSON) on standard input; `left` fails if anything is."""
    found = there()
    if sys.argv[1] == "left":
        left = {kind: count for kind, count in found.items() if count}
        print(f"  left in the account: {left or 'nothing'}")
        sys.exit(bool(left))
    outputs = {name: told["value"] for name, told in json.load(sys.stdin).items()}
    os.environ |= {"AWS_ENDPOINT": os.environ["AWS_ENDPOINT_URL"], "AWS_ALLOW_HTTP": "true"}
    keep_secrets(outputs["app_secret"])
    keep_a_model(outputs["registry"])
    fed = feed_the_alarms(outputs["alarms"])
    assert all(
        found[f"{client} {listed}"]
        for client, call, listed in KINDS
        if call not in {"describe_nat_gateways", "describe_addresses"}
    )
    print(f"  secret and registry used, {fed} of {len(outputs['alarms'])} alarms are fed; there: {found}")


if __name__ == "__main__":
    main()
