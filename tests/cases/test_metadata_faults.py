"""Metadata services that are silent, slow, broken or somebody else: the events are complete all the same, and
carry what is known. One line tells why, to whoever asks for it.
"""

import json

import pytest
from teltest import clouds, platforms, pods
from teltest.fake_http import FAULTS, BlackHole, FakeServer
from teltest.web.processes import refusing
from teltest.where import look, program

# What firmware and the like say of each, when nobody answers.
KNOWN = {
    "ec2": {
        "provider": "aws",
        "region": None,
        "availability_zone": None,
        "account_id": None,
        "instance_id": "i-0b123456789abcdef",
        "machine_type": "t3.large",
        "platform": "ec2",
        "metadata_source": "file",
    },
    "ecs-fargate": {
        "provider": "aws",
        "region": None,
        "availability_zone": None,
        "account_id": None,
        "instance_id": None,
        "platform": "ecs",
        "metadata_source": "file",
    },
    "gce": {
        "provider": "gcp",
        "region": None,
        "availability_zone": None,
        "account_id": None,
        "instance_id": None,
        "platform": "gce",
        "metadata_source": "file",
    },
    "azure_vm": {
        "provider": "azure",
        "region": None,
        "availability_zone": None,
        "account_id": None,
        "instance_id": None,
        "platform": "azure_vm",
        "metadata_source": "file",
    },
}
ENDPOINTS = {
    "ec2": "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "ecs-fargate": "ECS_CONTAINER_METADATA_URI_V4",
    "gce": "GCE_METADATA_HOST",
    "azure_vm": "TELEMETRY_AZURE_METADATA_ENDPOINT",
}


def one_line(seen):
    """Its only one, and nothing else is said."""
    lines = seen.stderr.splitlines()
    assert len(lines) == 1 and lines == seen.diagnostics, seen.stderr
    return lines[0]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", KNOWN)
def test_services_that_fail(tmp_path, figure, name, fault):
    with platforms.running(name, tmp_path, fault=fault) as platform:
        seen = look(tmp_path, platform.settings())
        assert seen.status == 0
        assert seen.cloud == KNOWN[name]
        line = one_line(seen)
        # Google's 404 is an answer: there is no such thing.
        if (name, fault) != ("gce", "404"):
            assert line.split(" ms; ", 1)[1]
        assert not any("elsewhere" in request.path for request in platform.requests())
        figure(line)
        # Asked again at once, the answer would be the same.
        asked = len(platform.requests())
        assert look(tmp_path, platform.settings()).cloud == KNOWN[name]
        assert len(platform.requests()) == asked


@pytest.mark.parametrize("name", KNOWN)
def test_black_holes(tmp_path, figure, name):
    """Packets that nobody answers: not even a connection."""
    with platforms.running(name, tmp_path) as platform, BlackHole() as hole:
        address = hole.host if name == "gce" else hole.url
        seen = look(tmp_path, platform.settings(**{ENDPOINTS[name]: address}))
        assert seen.cloud == KNOWN[name]
        assert "no answer within 1000 ms" in one_line(seen)
        figure(one_line(seen))


def test_nobody_listens(tmp_path):
    with platforms.running("ec2", tmp_path) as platform, refusing() as port:
        seen = look(tmp_path, platform.settings(
            AWS_EC2_METADATA_SERVICE_ENDPOINT=f"http://127.0.0.1:{port}"))
        assert seen.cloud == KNOWN["ec2"]
        one_line(seen)


def test_the_settings_own_deadline(tmp_path):
    with platforms.running("ec2", tmp_path, fault="silence") as platform:
        seen = look(tmp_path, platform.settings(TELEMETRY_METADATA_WAIT="150"))
        assert seen.cloud == KNOWN["ec2"]
        limit = int(one_line(seen).split("no answer within ")[1].split(" ")[0])
        assert limit <= 150


def test_version_1_is_never_asked(tmp_path):
    """A service without tokens: version 1 would answer to anybody."""
    routes = {("GET", "/latest/dynamic/instance-identity/document"): platforms.Answer(clouds.IDENTITY)}
    with platforms.running("ec2", tmp_path) as platform, FakeServer(routes) as old:
        seen = look(tmp_path, platform.settings(AWS_EC2_METADATA_SERVICE_ENDPOINT=old.url))
        assert seen.cloud == KNOWN["ec2"]
        assert [request.method for request in old.requests] == ["PUT"]
        assert "status 404" in one_line(seen)


def test_a_token_that_is_refused(tmp_path):
    with platforms.running("ec2", tmp_path, fault="401", faulty=lambda r: r.method == "GET") as platform:
        seen = look(tmp_path, platform.settings())
        assert seen.cloud == KNOWN["ec2"]
        assert "instance-identity/document: status 401" in one_line(seen)


def test_a_hop_limit_of_one(tmp_path):
    """In a container the token's packets do not arrive; questions without one are refused."""
    with platforms.running("ec2", tmp_path, fault="silence", faulty=lambda r: r.method == "PUT") as platform:
        seen = look(tmp_path, platform.settings())
        assert seen.cloud == KNOWN["ec2"]
        assert "hop limit" in one_line(seen)


def test_hop_limit_on_eks_leaves_the_rest(tmp_path):
    """The API server is asked meanwhile, and its node object says what the metadata service would have."""
    with platforms.running("eks", tmp_path, fault="silence") as platform:
        seen = look(tmp_path, platform.settings(AWS_ROLE_ARN="arn:aws:iam::123456789012:role/shop"))
        assert seen.k8s == platform.k8s
        assert seen.cloud == {key: value for key, value in platform.cloud.items() if key != "image_id"} | {
            "metadata_source": "env"
        }


@pytest.mark.parametrize("fault", FAULTS)
def test_an_api_server_that_fails(tmp_path, fault):
    """The pod's environment and files tell what they can."""
    with platforms.running("eks", tmp_path) as platform:
        api = next(server for server in platform.servers if server.scheme == "https")
        api.fault = fault
        seen = look(
            tmp_path,
            platform.settings(
                K8S_CLUSTER_NAME="mine", CPU_LIMIT="2", MEMORY_LIMIT="lots", POD_LABELS='{"app":"shop"}'
            ),
        )
        assert seen.cloud == platform.cloud
        assert seen.k8s == {
            "cluster_name": "mine",
            "namespace_name": "web",
            "pod_name": "shop-7d4c8f9b-xk2j9",
            "pod_uid": pods.POD_UID,
            "container_id": pods.CONTAINER_ID,
            "service_account_name": "shop-sa",
            "cpu_limit": "2",
            "pod_labels": {"app": "shop"},
        }
        one_line(seen)


def test_an_api_server_with_another_certificate(tmp_path):
    with platforms.running("eks", tmp_path) as platform:
        _, other = pods.make_certificates(tmp_path / "other")
        (platform.root / "var/run/secrets/kubernetes.io/serviceaccount/ca.crt").write_text(other)
        seen = look(tmp_path, platform.settings())
        assert seen.k8s["pod_name"] == "shop-7d4c8f9b-xk2j9" and "pod_phase" not in seen.k8s
        assert "certificate" in one_line(seen)
        api = next(server for server in platform.servers if server.scheme == "https")
        assert api.requests == []  # the token was not sent


@pytest.mark.parametrize(
    "denied, missing",
    [
        (
            ["/pods/"],
            {
                "pod_phase",
                "pod_ip",
                "host_ip",
                "container_name",
                "node_name",
                "deployment_name",
                "replicaset_name",
                "cpu_request",
                "cpu_limit",
                "memory_request",
                "memory_limit",
                "pod_labels",
                "pod_annotations",
                "services",
            },
        ),
        (["/services"], {"services"}),
        (["/replicasets/"], set()),  # the name without the pods' hash is the deployment's
        (["/nodes/"], set()),
        (["/api", "/apis"], None),
    ],
)
def test_rbac_says_no(tmp_path, denied, missing):
    with platforms.running("eks", tmp_path) as platform:
        api = next(server for server in platform.servers if server.scheme == "https")
        token = (platform.root / "var/run/secrets/kubernetes.io/serviceaccount/token").read_text()
        api.routes = pods.kubernetes_routes(token, "aws", "prod-eks", denied)
        seen = look(tmp_path, platform.settings(K8S_CLUSTER_NAME="prod-eks"))
        if missing is None:
            missing = platform.k8s.keys() - {
                "cluster_name",
                "namespace_name",
                "pod_name",
                "pod_uid",
                "container_id",
                "service_account_name",
            }
        assert seen.k8s == {key: value for key, value in platform.k8s.items() if key not in missing}
        # An answer that is no is an answer: it is kept.
        cache = json.loads((tmp_path / "home/.telemetry_metadata.json").read_text())
        assert cache["complete"] is True


def test_the_api_can_be_left_alone(tmp_path):
    with platforms.running("eks", tmp_path) as platform:
        api = next(server for server in platform.servers if server.scheme == "https")
        seen = look(tmp_path, platform.settings(DISABLE_K8S_API="true"))
        assert api.requests == [] and seen.k8s["pod_uid"] == pods.POD_UID


def test_the_downward_api_alone(tmp_path):
    """No service account is mounted; the variables of the seeds."""
    root = platforms.write_root(tmp_path / "root", {"proc/self/cgroup": pods.CGROUP_V1_POD})
    variables = {
        "K8S_CLUSTER_NAME": "c",
        "HOSTNAME": "shop-1",
        "POD_UID": pods.POD_UID,
        "CONTAINER_NAME": "main",
        "NODE_NAME": "node-1",
        "DEPLOYMENT_NAME": "shop",
        "SERVICE_ACCOUNT_NAME": "shop-sa",
        "CPU_REQUEST": "1",
        "CPU_LIMIT": "2",
        "MEMORY_REQUEST": "536870912",
        "MEMORY_LIMIT": "1Gi",
        "POD_LABELS": '{"app":"shop"}',
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": "1",
    }
    seen = look(
        tmp_path,
        {"ENABLE_K8S_METADATA": "true", "TELEMETRY_SYSTEM_ROOT": str(root), "TELEMETRY_DIAGNOSTICS": "true"},
        environment=variables,
    )
    assert seen.k8s == {
        "cluster_name": "c",
        "pod_name": "shop-1",
        "pod_uid": pods.POD_UID,
        "container_name": "main",
        "container_id": pods.CONTAINER_ID,
        "node_name": "node-1",
        "deployment_name": "shop",
        "service_account_name": "shop-sa",
        "cpu_request": "1",
        "cpu_limit": "2",
        "memory_request": "536870912",
        "memory_limit": "1Gi",
        "pod_labels": {"app": "shop"},
    }
    assert "no service account token" in one_line(seen)


# Events wait.


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_events_wait_and_none_is_lost(tmp_path, mode):
    """All calls are made and over long before the answers come."""
    with platforms.running("ec2", tmp_path, delay=0.4) as platform:
        settings = platform.settings(TELEMETRY_ON_FULL="block")
        seen = look(tmp_path, settings, mode, command=[program(), "15000"])
        assert not [event for event in seen.events if event["event_type"] == "telemetry_loss"]
        assert len(seen.events) == 2 * 15001
        assert all(event["cloud"] == platform.cloud for event in seen.events)


@pytest.mark.long
def test_the_wait_ends_when_the_queue_is_full(tmp_path):
    """A queue of 1 MiB holds as much again while it waits; then events go on with what is known, and the
    program, which was told to wait rather than lose calls, is not held up any longer."""
    with platforms.running("ec2", tmp_path, fault="silence") as platform:
        seen = look(
            tmp_path,
            platform.settings(
                TELEMETRY_QUEUE_BYTES="1048576", TELEMETRY_ON_FULL="block", TELEMETRY_METADATA_WAIT="5000"
            ),
            command=[program(), "60000"],
        )
        assert len(seen.events) == 2 * 60001
        assert {event["event_type"] for event in seen.events} == {"function_entry", "function_exit"}
        assert all(event["cloud"] == seen.events[0]["cloud"] for event in seen.events)


def test_a_program_without_events_asks_nobody(tmp_path):
    with platforms.running("ec2", tmp_path) as platform:
        seen = look(tmp_path, platform.settings(), command=["true"])
        assert seen.events == [] and platform.requests() == []
