"""Clouds: what machines, tasks and functions of AWS, Google and Azure have in their files and their metadata
services, in the shapes that the providers document; and what events must say of it.
"""

import json

from teltest.fake_http import Answer

TOKEN = "AQAEAtokentokentoken=="


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
