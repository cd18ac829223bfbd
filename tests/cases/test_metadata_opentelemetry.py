"""telinject and OpenTelemetry's own resource detectors, asked in the same place: at the services' real
addresses, in a network namespace where nothing else is.
"""

import pytest
from teltest import platforms
from teltest.real_addresses import start

# Ours, and theirs.
NAMES = {
    ("cloud", "provider"): "cloud.provider",
    ("cloud", "platform"): "cloud.platform",
    ("cloud", "region"): "cloud.region",
    ("cloud", "availability_zone"): "cloud.availability_zone",
    ("cloud", "account_id"): "cloud.account.id",
    ("cloud", "instance_id"): "host.id",
    ("cloud", "machine_type"): "host.type",
    ("k8s", "cluster_name"): "k8s.cluster.name",
    ("key", "container_id"): "container.id",
}
PLATFORMS = {
    "aws_ec2": "ec2",
    "aws_ecs": "ecs",
    "aws_eks": "eks",
    "aws_lambda": "lambda",
    "gcp_compute_engine": "gce",
    "gcp_kubernetes_engine": "gke",
    "azure_vm": "azure_vm",
    "azure.vm": "azure_vm",
    "azure_aks": "aks",
    "azure.aks": "aks",
}
# What their detectors are known to tell, so that none can be silent unnoticed.
AT_LEAST = {
    "ec2": {
        "provider",
        "platform",
        "region",
        "availability_zone",
        "account_id",
        "instance_id",
        "machine_type",
    },
    "ecs-ec2": {
        "provider",
        "platform",
        "region",
        "availability_zone",
        "account_id",
        "instance_id",
        "machine_type",
        "container_id",
    },
    "ecs-fargate": {"provider", "platform", "region", "availability_zone", "account_id", "container_id"},
    "eks": {
        "provider",
        "platform",
        "region",
        "availability_zone",
        "account_id",
        "instance_id",
        "machine_type",
        "cluster_name",
        "container_id",
    },
    "lambda": {"provider", "platform", "region", "instance_id"},
    "gce": {
        "provider",
        "platform",
        "region",
        "availability_zone",
        "account_id",
        "instance_id",
        "machine_type",
    },
    "gke": {"provider", "platform", "region", "account_id", "instance_id", "cluster_name", "container_id"},
    "azure_vm": {"provider", "platform", "region", "instance_id", "machine_type"},
    "aks": {"provider", "platform", "region", "instance_id", "machine_type", "cluster_name", "container_id"},
}
# On ECS their EC2 detector speaks of the machine's region, ours of the task's; on Lambda the instance is
# faas.instance.
ASIDE = {
    ("ecs-ec2", "us-east-1"),
    ("ecs-ec2", "us-east-1a"),
    ("ecs-ec2", "123456789012"),
    ("ecs-ec2", "aws_ec2"),
    ("eks", "aws_ec2"),
    ("aks", "azure_vm"),
    ("aks", "azure.vm"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", platforms.NAMES)
def test_the_same_as_opentelemetry(tmp_path, figure, name):
    ours, theirs = start(name, tmp_path)
    if name == "lambda":
        theirs["host.id"] = theirs["faas.instance"]
    compared = set()
    for (block, key), attribute in NAMES.items():
        said = [value for value in theirs.get(attribute, []) if (name, value) not in ASIDE and value]
        for value in said:
            value = PLATFORMS.get(value, value) if key == "platform" else value
            # Of Google's "projects/12/machineTypes/n1-standard-4" v3 has the last part.
            value = value.rpartition("/")[2] if (name, key) == ("gce", "machine_type") else value
            assert ours.get(block, {}).get(key) == value, f"{attribute}: {said}"
            compared.add(key)
    assert AT_LEAST[name] <= compared, f"they said: {theirs}"
    figure(f"{len(compared)} facts alike: {', '.join(sorted(compared))}")
