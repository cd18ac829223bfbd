"""Machines, tasks, functions and pods that telinject may find itself on, running as fakes (clouds.py,
pods.py): their files, environment and metadata services; and what events must say of it.
"""

import contextlib

from dataclasses import dataclass, field
from teltest.clouds import (
    AZURE_CLOUD, AZURE_DMI, EC2_CLOUD, EC2_DMI, GCE_CLOUD, GCE_DMI, PUBLIC_IP, azure_document,
    azure_routes, ecs_routes, gce_routes, imds_routes)
from teltest.fake_http import Answer, FakeServer
from teltest.pods import (
    CONTAINER_ID, ISSUERS, K8S, kubernetes_routes, make_certificates, pod_files, service_account_token)

BOOT_ID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@dataclass
class Platform:
    """One of the fakes below, running."""

    name: str
    environment: dict
    root: object  # TELEMETRY_SYSTEM_ROOT
    cloud: dict  # as events must have it
    k8s: dict = None  # None: no block
    public_ip: str = None
    servers: list = field(default_factory=list)

    def settings(self, **more):
        return {
            "ENABLE_CLOUD_METADATA": "true",
            "TELEMETRY_DIAGNOSTICS": "true",
            "TELEMETRY_SYSTEM_ROOT": str(self.root),
            **self.environment,
            **more,
        }

    def requests(self):
        return [request for server in self.servers for request in server.requests]


# Files.


def write_root(root, files):
    """Writes files below a folder that stands for the root of the system."""
    for name, text in (
        {
            "proc/sys/kernel/random/boot_id": BOOT_ID + "\n",
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": "",
        }
        | files
    ).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


NAMES = ("ec2", "ecs-ec2", "ecs-fargate", "eks", "lambda", "gce", "gke", "azure_vm", "aks")


class Maker:
    """Starts the servers of a platform; addresses: None (loopback, endpoints overridden) or the real ones,
    in a network namespace of the test's own."""

    def __init__(self, stack, folder, real=False, delay=0.0, **server_options):
        self.stack, self.folder, self.real = stack, folder, real
        self.delay, self.options = delay, server_options
        self.servers = []

    def serve(self, routes, address="169.254.169.254", port=80, tls=None, **options):
        place = {"address": address, "port": port} if self.real else {}
        server = FakeServer(routes, delay=self.delay, tls=tls, **place, **(self.options | options))
        self.servers.append(self.stack.enter_context(server))
        return server

    def endpoint(self, name, value):
        return {} if self.real else {name: value}

    def cluster(self, kind, provider, dmi, cluster_info=None, denied=(), token=None):
        """An API server; returns the environment and the files of a pod."""
        token = token or service_account_token(ISSUERS[kind])
        address = "10.96.0.1" if self.real else "127.0.0.1"
        tls, ca = make_certificates(self.folder / "pki", (address,))
        api = self.serve(
            kubernetes_routes(token, provider, cluster_info, denied), address, 443, tls, fault=None
        )
        root = write_root(self.folder / "root", dmi | pod_files(token, ca))
        return {"KUBERNETES_SERVICE_HOST": address, "KUBERNETES_SERVICE_PORT": str(api.port)}, root


@contextlib.contextmanager
def running(name, folder, real=False, delay=0.0, **options):
    """Yields the Platform of that name, with its servers running."""
    with contextlib.ExitStack() as stack:
        make = Maker(stack, folder, real, delay, **options)
        yield _MAKERS[name](make)


def _ec2(make):
    imds = make.serve(imds_routes())
    return Platform(
        "ec2",
        make.endpoint("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url),
        write_root(make.folder / "root", EC2_DMI),
        EC2_CLOUD,
        None,
        PUBLIC_IP,
        make.servers,
    )


def _ecs(make, launch_type):
    server = make.serve(ecs_routes(launch_type), "169.254.170.2")
    environment = {
        "ECS_CONTAINER_METADATA_URI_V4": server.url.removesuffix(":80") + "/v4/0b2c",
        "AWS_EXECUTION_ENV": f"AWS_ECS_{launch_type}",
    }
    cloud = {
        "provider": "aws",
        "region": "us-west-2",
        "availability_zone": "us-west-2d",
        "account_id": "111122223333",
        "platform": "ecs",
        "metadata_source": "metadata_server",
    }
    if launch_type == "FARGATE":
        cloud |= {
            "instance_id": "158d1c8083dd49d6b527399fd6414f5c",
            "machine_type": "0.25 vCPU, 512 MiB",
            "image_id": "sha256:d691691e9652791a60114e67b365688d20d19940dde7c4736ea30e660d8d3553",
        }
        root = write_root(
            make.folder / "root",
            {
                "proc/self/cgroup": "9:perf_event:/ecs/158d1c8083dd49d6b527399fd6414f5c/"
                "158d1c8083dd49d6b527399fd6414f5c-2531612879\n"
            },
        )
        return Platform("ecs-fargate", environment, root, cloud, None, None, make.servers)
    imds = make.serve(imds_routes())
    environment |= make.endpoint("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url)
    cloud |= {key: EC2_CLOUD[key] for key in ("instance_id", "machine_type", "image_id")}
    root = write_root(
        make.folder / "root",
        EC2_DMI
        | {"proc/self/cgroup": "9:perf_event:/ecs/158d1c8083dd49d6b527399fd6414f5c/" + CONTAINER_ID + "\n"},
    )
    return Platform("ecs-ec2", environment, root, cloud, None, PUBLIC_IP, make.servers)


def _lambda(make):
    stream = "2026/11/03/[$LATEST]0123456789abcdef0123456789abcdef"
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "thumbnails",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/thumbnails",
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    }

    def place(request):
        if request.header("Authorization") != "Bearer lambda-token":
            return Answer("", 401)
        return Answer({"AvailabilityZoneID": "euc1-az2"})

    server = make.serve({("GET", "/2026-01-15/metadata/execution-environment"): place}, "169.254.100.1", 9001)
    environment |= {"AWS_LAMBDA_METADATA_API": server.host, "AWS_LAMBDA_METADATA_TOKEN": "lambda-token"}
    cloud = {
        "provider": "aws",
        "region": "eu-central-1",
        "availability_zone": "euc1-az2",
        "account_id": None,
        "instance_id": stream,
        "machine_type": "512 MB",
        "platform": "lambda",
        "metadata_source": "env",
    }
    return Platform(
        "lambda", environment, write_root(make.folder / "root", {}), cloud, None, None, make.servers
    )


def _eks(make):
    environment, root = make.cluster("eks", "aws", EC2_DMI, cluster_info="prod-eks")
    imds = make.serve(imds_routes())
    environment |= make.endpoint("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.url)
    return Platform(
        "eks",
        environment,
        root,
        EC2_CLOUD | {"platform": "eks"},
        K8S | {"cluster_name": "prod-eks"},
        PUBLIC_IP,
        make.servers,
    )


def _gce(make):
    server = make.serve(gce_routes())
    return Platform(
        "gce",
        make.endpoint("GCE_METADATA_HOST", server.host),
        write_root(make.folder / "root", GCE_DMI),
        GCE_CLOUD,
        None,
        "35.192.0.1",
        make.servers,
    )


def _gke(make):
    environment, root = make.cluster("gke", "gcp", GCE_DMI)
    server = make.serve(
        gce_routes(
            {
                "instance/attributes/cluster-name": "prod-gke",
                "instance/attributes/cluster-location": "us-central1",
                "instance/attributes/cluster-uid": "0123",
            }
        )
    )
    environment |= make.endpoint("GCE_METADATA_HOST", server.host)
    return Platform(
        "gke",
        environment,
        root,
        GCE_CLOUD | {"platform": "gke"},
        K8S | {"cluster_name": "prod-gke"},
        "35.192.0.1",
        make.servers,
    )


def _azure_vm(make):
    server = make.serve(azure_routes(azure_document()))
    return Platform(
        "azure_vm",
        make.endpoint("TELEMETRY_AZURE_METADATA_ENDPOINT", server.url),
        write_root(make.folder / "root", AZURE_DMI),
        AZURE_CLOUD,
        None,
        "20.86.1.2",
        make.servers,
    )


def _aks(make):
    environment, root = make.cluster("aks", "azure", AZURE_DMI)
    image = {
        "id": "",
        "offer": "0001-com-ubuntu-server-jammy",
        "publisher": "canonical",
        "sku": "22_04-lts-gen2",
        "version": "latest",
    }
    server = make.serve(azure_routes(azure_document("MC_shop-group_prod-aks_westeurope", image)))
    environment |= make.endpoint("TELEMETRY_AZURE_METADATA_ENDPOINT", server.url)
    cloud = AZURE_CLOUD | {
        "platform": "aks",
        "image_id": "canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest",
    }
    return Platform(
        "aks", environment, root, cloud, K8S | {"cluster_name": "prod-aks"}, "20.86.1.2", make.servers
    )


_MAKERS = {
    "ec2": _ec2,
    "ecs-ec2": lambda make: _ecs(make, "EC2"),
    "ecs-fargate": lambda make: _ecs(make, "FARGATE"),
    "eks": _eks,
    "lambda": _lambda,
    "gce": _gce,
    "gke": _gke,
    "azure_vm": _azure_vm,
    "aks": _aks,
}
assert tuple(_MAKERS) == NAMES
