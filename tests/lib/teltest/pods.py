"""Kubernetes: what a pod has in its files and its environment, and what the API server answers."""

import base64
import json
import subprocess

from teltest.fake_http import Answer

CONTAINER_ID = "4e7a8f0b" * 8
POD_UID = "0ca5b5a3-2bcb-4c9a-9d6c-4e3ff9b0c0de"


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
