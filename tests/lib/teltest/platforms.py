"""Machines, tasks, functions and pods that telinject may find itself on: what each has in its files, its
environment and its metadata services, in the shapes that the providers document; and what events must
say of it.
"""

import base64
import contextlib
import json
import subprocess
from dataclasses import dataclass, field

from teltest.fake_http import Answer, FakeServer

TOKEN = "AQAEAtokentokentoken=="
CONTAINER_ID = "4e7a8f0b" * 8
POD_UID = "0ca5b5a3-2bcb-4c9a-9d6c-4e3ff9b0c0de"
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


DMI = "sys/class/dmi/id/"
EC2_DMI = {
    DMI + "sys_vendor": "Amazon EC2\n",
    DMI + "product_name": "t3.large\n",
    DMI + "board_asset_tag": "i-0b123456789abcdef\n",
    DMI + "bios_version": "1.0\n",
}
GCE_DMI = {DMI + "sys_vendor": "Google\n", DMI + "product_name": "Google Compute Engine\n"}
AZURE_DMI = {
    DMI + "sys_vendor": "Microsoft Corporation\n",
    DMI + "product_name": "Virtual Machine\n",
    DMI + "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77\n",
}


# Amazon.

IDENTITY = {
    "accountId": "123456789012",
    "architecture": "x86_64",
    "availabilityZone": "us-east-1a",
    "billingProducts": None,
    "devpayProductCodes": None,
    "marketplaceProductCodes": None,
    "imageId": "ami-0ff8a91507f77f867",
    "instanceId": "i-0b123456789abcdef",
    "instanceType": "t3.large",
    "kernelId": None,
    "pendingTime": "2026-11-03T19:10:00Z",
    "privateIp": "172.31.23.45",
    "ramdiskId": None,
    "region": "us-east-1",
    "version": "2017-09-30",
}
EC2_CLOUD = {
    "provider": "aws",
    "region": "us-east-1",
    "availability_zone": "us-east-1a",
    "account_id": "123456789012",
    "instance_id": "i-0b123456789abcdef",
    "machine_type": "t3.large",
    "image_id": "ami-0ff8a91507f77f867",
    "platform": "ec2",
    "metadata_source": "IMDSv2",
}
PUBLIC_IP = "54.91.123.45"


def imds_routes():
    """IMDSv2: nothing without a token, and a token only by PUT with a lifetime."""

    def token(request):
        if not request.header("X-aws-ec2-metadata-token-ttl-seconds").isdigit():
            return Answer("", 400)
        return Answer(TOKEN)

    def guarded(body):
        def answer(request):
            if request.header("X-aws-ec2-metadata-token") != TOKEN:
                return Answer("", 401)
            return Answer(body)

        return answer

    return {
        ("PUT", "/latest/api/token"): token,
        ("GET", "/latest/dynamic/instance-identity/document"): guarded(json.dumps(IDENTITY, indent=2)),
        ("GET", "/latest/meta-data/public-ipv4"): guarded(PUBLIC_IP),
        ("GET", "/latest/meta-data/hostname"): guarded("ip-172-31-23-45.ec2.internal"),
    }


TASK_ARN = "arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c"


def ecs_routes(launch_type):
    container = {
        "DockerId": "ea32192c8553fbff06c9340478a2ff089b2bb5646fb718b4ee206641c9086d66",
        "Name": "curl",
        "DockerName": "ecs-curltest-24-curl-cca48e8dcadd97805600",
        "Image": "111122223333.dkr.ecr.us-west-2.amazonaws.com/curltest:latest",
        "ImageID": "sha256:d691691e9652791a60114e67b365688d20d19940dde7c4736ea30e660d8d3553",
        "Labels": {
            "com.amazonaws.ecs.cluster": "default",
            "com.amazonaws.ecs.container-name": "curl",
            "com.amazonaws.ecs.task-arn": TASK_ARN,
        },
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 10, "Memory": 128},
        "CreatedAt": "2026-10-02T00:15:07.620912337Z",
        "StartedAt": "2026-10-02T00:15:08.062559351Z",
        "Type": "NORMAL",
        "LogDriver": "awslogs",
        "LogOptions": {
            "awslogs-create-group": "true",
            "awslogs-group": "/ecs/metadata",
            "awslogs-region": "us-west-2",
            "awslogs-stream": "ecs/curl/8f03e41243824aea923aca126495f665",
        },
        "ContainerARN": "arn:aws:ecs:us-west-2:111122223333:container/0206b271-b33f-47ab-86c6-a0ba208a70a9",
        "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.2.100"], "AttachmentIndex": 0}],
    }
    task = {
        "Cluster": "default",
        "TaskARN": TASK_ARN,
        "Family": "curltest",
        "Revision": "26",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "AvailabilityZone": "us-west-2d",
        "PullStartedAt": "2026-10-02T00:43:06.202617438Z",
        "LaunchType": launch_type,
        "Containers": [container],
    }
    if launch_type == "FARGATE":
        task["Limits"] = {"CPU": 0.25, "Memory": 512}
    return {("GET", "/v4/0b2c/task"): Answer(task), ("GET", "/v4/0b2c"): Answer(container)}


# Google.


def gce_routes(more=None):
    texts = {
        "project/project-id": "my-project-12345",
        "instance/id": "1234567890123456789",
        "instance/zone": "projects/123456789/zones/us-central1-a",
        "instance/machine-type": "projects/123456789/machineTypes/n1-standard-4",
        "instance/image": "projects/debian-cloud/global/images/debian-12-bookworm-v20260910",
        "instance/hostname": "vm-1.us-central1-a.c.my-project-12345.internal",
        "instance/name": "vm-1",
        "instance/network-interfaces/0/access-configs/0/external-ip": "35.192.0.1",
    } | (more or {})

    def answer(text):
        def check(request):
            if request.header("Metadata-Flavor") != "Google":
                return Answer("Missing Metadata-Flavor:Google header.", 403)
            return Answer(text, 200, {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"})

        return check

    routes = {("GET", "/computeMetadata/v1/" + path): answer(text) for path, text in texts.items()}
    routes["GET", "/computeMetadata/v1/instance"] = answer("ok")
    return routes


GCE_CLOUD = {
    "provider": "gcp",
    "region": "us-central1",
    "availability_zone": "us-central1-a",
    "account_id": "my-project-12345",
    "instance_id": "1234567890123456789",
    "machine_type": "n1-standard-4",
    "image_id": "projects/debian-cloud/global/images/debian-12-bookworm-v20260910",
    "platform": "gce",
    "metadata_source": "metadata_server",
}


# Azure.

AZURE_IMAGE = (
    "/subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/resourceGroups/images/providers/"
    "Microsoft.Compute/images/linux-1"
)


def azure_document(resource_group="macikgo-test", image=None):
    reference = {"id": AZURE_IMAGE, "offer": "", "publisher": "", "sku": "", "version": ""}
    return {
        "compute": {
            "azEnvironment": "AzurePublicCloud",
            "location": "westeurope",
            "name": "examplevmname",
            "offer": "",
            "osType": "Linux",
            "placementGroupId": "",
            "platformFaultDomain": "1",
            "resourceGroupName": resource_group,
            "resourceId": "/subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/resourceGroups/"
            f"{resource_group}/providers/Microsoft.Compute/virtualMachines/examplevmname",
            "sku": "18.04-LTS",
            "storageProfile": {"imageReference": image or reference},
            "subscriptionId": "8d10da13-8125-4ba9-a717-bf7490507b3d",
            "tags": "",
            "version": "15.05.22",
            "vmId": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
            "vmScaleSetName": "",
            "vmSize": "Standard_A3",
            "zone": "2",
        },
        "network": {
            "interface": [
                {
                    "ipv4": {
                        "ipAddress": [{"privateIpAddress": "10.144.133.132", "publicIpAddress": "20.86.1.2"}],
                        "subnet": [{"address": "10.144.133.128", "prefix": "26"}],
                    },
                    "ipv6": {"ipAddress": []},
                    "macAddress": "0011AAFFBB22",
                }
            ]
        },
    }


def azure_routes(document):
    def guarded(body):
        def answer(request):
            if request.header("Metadata").lower() != "true" or request.header("X-Forwarded-For"):
                return Answer({"error": "Bad request"}, 400)
            return Answer(body, 200, {"Content-Type": "application/json; charset=utf-8"})

        return answer

    return {
        ("GET", "/metadata/instance?api-version=2021-02-01"): guarded(document),
        ("GET", "/metadata/instance/compute?api-version=2021-12-13&format=json"): guarded(
            document["compute"]
        ),
    }


AZURE_CLOUD = {
    "provider": "azure",
    "region": "westeurope",
    "availability_zone": "2",
    "account_id": "8d10da13-8125-4ba9-a717-bf7490507b3d",
    "instance_id": "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
    "machine_type": "Standard_A3",
    "image_id": AZURE_IMAGE,
    "platform": "azure_vm",
    "metadata_source": "metadata_server",
}


# Kubernetes.

POD_LABELS = {"app": "shop", "pod-template-hash": "7d4c8f9b", "version": "v1.0.0"}
POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {
        "name": "shop-7d4c8f9b-xk2j9",
        "generateName": "shop-7d4c8f9b-",
        "namespace": "web",
        "uid": POD_UID,
        "labels": POD_LABELS,
        "annotations": {
            "prometheus.io/scrape": "true",
            "kubectl.kubernetes.io/last-applied-configuration": '{"env":[{"name":"P","value":"hunter2"}]}',
            "vault.example/token": "s.hunter2",
            "note": "x" * 5000,
        },
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "shop-7d4c8f9b",
                "uid": "u1",
                "controller": True,
            }
        ],
    },
    "spec": {
        "containers": [
            {"name": "proxy", "image": "envoy", "resources": {}},
            {
                "name": "main",
                "image": "shop:1",
                "resources": {
                    "requests": {"cpu": "500m", "memory": "512Mi"},
                    "limits": {"cpu": "1", "memory": "1Gi"},
                },
            },
        ],
        "nodeName": "node-1",
        "serviceAccountName": "shop-sa",
    },
    "status": {
        "phase": "Running",
        "hostIP": "172.31.45.67",
        "podIP": "10.244.1.5",
        "podIPs": [{"ip": "10.244.1.5"}],
        "containerStatuses": [
            {"name": "proxy", "containerID": "containerd://" + "ab" * 32},
            {"name": "main", "containerID": "containerd://" + CONTAINER_ID},
        ],
    },
}
REPLICASET = {
    "kind": "ReplicaSet",
    "apiVersion": "apps/v1",
    "metadata": {
        "name": "shop-7d4c8f9b",
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}],
    },
}
NAMESPACE = {
    "kind": "Namespace",
    "apiVersion": "v1",
    "metadata": {"name": "web", "labels": {"team": "platform"}},
}
SERVICES = {
    "kind": "ServiceList",
    "apiVersion": "v1",
    "items": [
        {"metadata": {"name": "shop-internal"}, "spec": {"selector": {"app": "shop"}}},
        {"metadata": {"name": "shop"}, "spec": {"selector": {"app": "shop", "version": "v1.0.0"}}},
        {"metadata": {"name": "other"}, "spec": {"selector": {"app": "other"}}},
        {"metadata": {"name": "headless"}, "spec": {}},
    ],
}


def node_document(provider):
    ids = {
        "aws": "aws:///us-east-1a/i-0b123456789abcdef",
        "gcp": "gce://my-project-12345/us-central1-a/node-1",
        "azure": "azure:///subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/resourceGroups/x",
    }
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "spec": {"providerID": ids[provider]},
        "metadata": {
            "name": "node-1",
            "labels": {
                "topology.kubernetes.io/region": "us-east-1",
                "topology.kubernetes.io/zone": "us-east-1a",
                "node.kubernetes.io/instance-type": "t3.large",
            },
        },
    }


K8S = {
    "namespace_name": "web",
    "pod_name": "shop-7d4c8f9b-xk2j9",
    "pod_uid": POD_UID,
    "pod_phase": "Running",
    "pod_ip": "10.244.1.5",
    "host_ip": "172.31.45.67",
    "container_name": "main",
    "container_id": CONTAINER_ID,
    "node_name": "node-1",
    "deployment_name": "shop",
    "replicaset_name": "shop-7d4c8f9b",
    "service_account_name": "shop-sa",
    "cpu_request": "500m",
    "cpu_limit": "1",
    "memory_request": "512Mi",
    "memory_limit": "1Gi",
    "namespace_labels": {"team": "platform"},
    "pod_labels": POD_LABELS,
    "pod_annotations": {"prometheus.io/scrape": "true"},
    "services": ["shop", "shop-internal"],
}
ISSUERS = {
    "eks": "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
    "gke": "https://container.googleapis.com/v1/projects/my-project-12345/"
    "locations/us-central1/clusters/prod-gke",
    "aks": "https://westeurope.oic.prod-aks.azure.com/tenant/cluster/",
    "other": "https://kubernetes.default.svc.cluster.local",
}


def service_account_token(issuer, **more):
    def part(document):
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    claims = {
        "aud": ["https://kubernetes.default.svc"],
        "exp": 1893456000,
        "iss": issuer,
        "kubernetes.io": {
            "namespace": "web",
            "pod": {"name": POD["metadata"]["name"], "uid": POD_UID},
            "serviceaccount": {"name": "shop-sa", "uid": "u2"},
        }
        | more,
        "sub": "system:serviceaccount:web:shop-sa",
    }
    return ".".join([part({"alg": "RS256", "kid": "k"}), part(claims), "c2lnbmF0dXJl"])


def make_certificates(folder, addresses=("127.0.0.1",)):
    """A CA and a server certificate for these addresses; ((certificate, key), CA as text)."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ",".join([*(f"IP:{address}" for address in addresses), "DNS:kubernetes.default.svc"])
    (folder / "ext").write_text(f"subjectAltName={names}\n")

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        folder / "ca.key",
        "-out",
        folder / "ca.crt",
        "-subj",
        "/CN=kubernetes",
        "-days",
        "30",
    )
    openssl(
        "req", *curve, "-keyout", folder / "tls.key", "-out", folder / "tls.csr", "-subj", "/CN=apiserver"
    )
    openssl(
        "x509",
        "-req",
        "-in",
        folder / "tls.csr",
        "-CA",
        folder / "ca.crt",
        "-CAkey",
        folder / "ca.key",
        "-CAcreateserial",
        "-out",
        folder / "tls.crt",
        "-days",
        "30",
        "-extfile",
        folder / "ext",
    )
    return (folder / "tls.crt", folder / "tls.key"), (folder / "ca.crt").read_text()


def kubernetes_routes(token, provider=None, cluster_info=None, denied=()):
    """denied: words; requests whose path contains one are refused as RBAC does."""
    documents = {
        "/api/v1/namespaces/web/pods/shop-7d4c8f9b-xk2j9": POD,
        "/api/v1/namespaces/web": NAMESPACE,
        "/api/v1/namespaces/web/services?limit=500": SERVICES,
        "/apis/apps/v1/namespaces/web/replicasets/shop-7d4c8f9b": REPLICASET,
        # What the OpenTelemetry detector takes as the mark of EKS.
        "/api/v1/namespaces/kube-system/configmaps/aws-auth": {
            "kind": "ConfigMap",
            "data": {"mapRoles": "-"},
        },
    }
    if provider is not None:
        documents["/api/v1/nodes/node-1"] = node_document(provider)
    if cluster_info is not None:
        documents["/api/v1/namespaces/amazon-cloudwatch/configmaps/cluster-info"] = {
            "kind": "ConfigMap",
            "data": {"cluster.name": cluster_info, "logs.region": "us-east-1"},
        }

    def guarded(path, document):
        def answer(request):
            if request.header("Authorization") != "Bearer " + token:
                return Answer({"kind": "Status", "code": 401, "reason": "Unauthorized"}, 401)
            if any(word in path for word in denied):
                return Answer({"kind": "Status", "code": 403, "reason": "Forbidden"}, 403)
            return Answer(document, 200, {"Content-Type": "application/json"})

        return answer

    return {("GET", path): guarded(path, document) for path, document in documents.items()}


CGROUP_V1_POD = f"11:memory:/kubepods/burstable/pod{POD_UID}/{CONTAINER_ID}\n1:name=systemd:/kubepods/x\n"


def pod_files(token, ca):
    folder = "var/run/secrets/kubernetes.io/serviceaccount/"
    return {
        folder + "token": token,
        folder + "ca.crt": ca,
        folder + "namespace": "web",
        "proc/self/cgroup": CGROUP_V1_POD,
    }


# All of them.

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
