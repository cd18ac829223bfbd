"""Where the program runs: every platform that v3 names, against fakes of the documented shapes."""

import contextlib
import json
import os
import re
import subprocess

import pytest
from teltest import clouds, platforms, pods
from teltest.events import read_events
from teltest.run import tool
from teltest.schema import errors_of
from teltest.where import bare_environment, look, program


def check(seen, platform):
    assert seen.status == 0
    for event in seen.events:
        assert errors_of(event) == []
    assert seen.cloud == platform.cloud
    assert seen.k8s == platform.k8s
    assert seen.blocks["host"].get("public_ip") == platform.public_ip
    assert seen.blocks["host"]["name"] == os.uname().nodename


@pytest.mark.parametrize("name", platforms.NAMES)
def test_every_field(tmp_path, name):
    with platforms.running(name, tmp_path) as platform:
        check(look(tmp_path, platform.settings()), platform)
        asked = len(platform.requests())
        assert asked > 0
        # From the cache: the same, and nobody is asked.
        again = look(tmp_path, platform.settings())
        check(again, platform)
        assert len(platform.requests()) == asked
        assert "from cache" in again.diagnostics[0]


@pytest.mark.parametrize("name", ["ec2", "gke"])
def test_preload_without_telrun(tmp_path, name):
    with platforms.running(name, tmp_path) as platform:
        check(look(tmp_path, platform.settings(), mode="preload"), platform)


@pytest.mark.parametrize("name", platforms.NAMES)
def test_nothing_is_asked_unless_told(tmp_path, name):
    with platforms.running(name, tmp_path) as platform:
        settings = platform.settings()
        del settings["ENABLE_CLOUD_METADATA"]
        seen = look(tmp_path, settings)
        assert seen.cloud == {"provider": "local", "metadata_source": "none"}
        assert seen.k8s is None
        assert platform.requests() == []
        assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("name", ["eks", "gke", "aks"])
def test_cloud_and_kubernetes_are_two_switches(tmp_path, name):
    with platforms.running(name, tmp_path) as platform:
        seen = look(tmp_path, platform.settings(ENABLE_K8S_METADATA="false"))
        assert seen.cloud == platform.cloud and seen.k8s is None
        seen = look(tmp_path, platform.settings(ENABLE_CLOUD_METADATA="false", ENABLE_K8S_METADATA="true"))
        assert seen.cloud == {"provider": "local", "metadata_source": "none"}
        # Then the cloud is not asked what it calls the cluster: GKE's token tells, and EKS' config map.
        expected = {
            key: value for key, value in platform.k8s.items() if key != "cluster_name" or name != "aks"
        }
        assert seen.k8s == expected


def test_the_machine_of_the_test_is_local(tmp_path):
    """Nothing is overridden here: the gate looks at the real machine, and must see no cloud."""
    if os.path.exists("/sys/class/dmi/id/board_asset_tag"):
        pytest.fail("this machine has firmware names: run this test where there are none, or extend it")
    seen = look(tmp_path, {"ENABLE_CLOUD_METADATA": "true", "TELEMETRY_DIAGNOSTICS": "true"})
    assert seen.cloud == {"provider": "local", "metadata_source": "none"}
    assert "from local" in seen.diagnostics[0]


@pytest.mark.parametrize(
    "files",
    [
        {clouds.DMI + "sys_vendor": "GOOGLE\n", clouds.DMI + "product_name": "Eve\n"},  # a Chromebook
        {
            clouds.DMI + "sys_vendor": "Microsoft Corporation\n",
            clouds.DMI + "product_name": "Virtual Machine\n",
            clouds.DMI + "chassis_asset_tag": "7783-0000\n",
        },  # Hyper-V at home
        {clouds.DMI + "sys_vendor": "Xen\n", clouds.DMI + "product_uuid": "12345678-ec2\n"},
        {clouds.DMI + "sys_vendor": "QEMU\n"},
    ],
)
def test_machines_that_are_no_cloud(tmp_path, files):
    root = platforms.write_root(tmp_path / "root", files)
    seen = look(
        tmp_path,
        {
            "ENABLE_CLOUD_METADATA": "true",
            "TELEMETRY_SYSTEM_ROOT": str(root),
            "TELEMETRY_DIAGNOSTICS": "true",
        },
    )
    assert seen.cloud == {"provider": "local", "metadata_source": "none"}
    assert "from local" in seen.diagnostics[0]


@pytest.mark.parametrize(
    "files",
    [
        {"sys/hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef\n"},
        {clouds.DMI + "bios_version": "4.11.amazon\n", clouds.DMI + "sys_vendor": "Xen\n"},
    ],
)
def test_older_machines_of_amazon(tmp_path, files):
    with platforms.running("ec2", tmp_path) as platform:
        platforms.write_root(tmp_path / "older", files)
        check(look(tmp_path, platform.settings(TELEMETRY_SYSTEM_ROOT=str(tmp_path / "older"))), platform)


def test_proxies_are_not_used(tmp_path):
    """A proxy would answer for its own machine."""
    with platforms.running("ec2", tmp_path) as platform, platforms.FakeServer({}) as proxy:
        variables = {name: proxy.url for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy")}
        check(look(tmp_path, platform.settings(), environment=variables), platform)
        assert proxy.requests == []


def test_imds_can_be_switched_off(tmp_path):
    with platforms.running("ec2", tmp_path) as platform:
        seen = look(tmp_path, platform.settings(AWS_EC2_METADATA_DISABLED="true", AWS_REGION="eu-west-1"))
        assert platform.requests() == []
        assert seen.cloud == {
            "provider": "aws",
            "region": "eu-west-1",
            "availability_zone": None,
            "account_id": None,
            "instance_id": "i-0b123456789abcdef",
            "machine_type": "t3.large",
            "platform": "ec2",
            "metadata_source": "env",
        }


def test_a_cluster_of_ones_own_on_ec2_is_not_eks(tmp_path):
    """Kubernetes there, but its tokens are not Amazon's."""
    with contextlib.ExitStack() as stack:
        make = platforms.Maker(stack, tmp_path)
        environment, root = make.cluster("other", "aws", clouds.EC2_DMI)
        imds = make.serve(clouds.imds_routes())
        environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = imds.url
        platform = platforms.Platform(
            "own", environment, root, clouds.EC2_CLOUD, pods.K8S, clouds.PUBLIC_IP, make.servers
        )
        check(look(tmp_path, platform.settings()), platform)


def test_the_token_goes_to_the_api_server_only(tmp_path):
    with platforms.running("eks", tmp_path) as platform:
        seen = look(tmp_path, platform.settings())
        for server in platform.servers:
            if server.scheme == "http":
                assert all("authorization" not in request.headers for request in server.requests)
        token = (platform.root / "var/run/secrets/kubernetes.io/serviceaccount/token").read_text()
        everything = json.dumps(seen.events) + seen.stderr
        for path in (tmp_path / "home").iterdir():
            everything += path.read_text()
        assert token not in everything and "hunter2" not in everything


def test_a_recording_knows_where_it_was_made(tmp_path):
    """Events that are made later, elsewhere, say where the program ran."""
    with platforms.running("gke", tmp_path) as platform:
        look(tmp_path, platform.settings(TELEMETRY_RECORD=str(tmp_path / "record")))
        assert len(platform.requests()) > 0
    events = tmp_path / "converted.jsonl"
    subprocess.run(
        [tool("telinject"), "convert", str(tmp_path / "record")],
        check=True,
        timeout=120,
        env=bare_environment(tmp_path) | {"TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(events)},
    )
    converted = list(read_events(events))
    assert len(converted) == 6
    for event in converted:
        assert errors_of(event) == []
        assert (event["cloud"], event["k8s"]) == (platform.cloud, platform.k8s)
        assert event["host"]["public_ip"] == platform.public_ip


def strace(tmp_path, settings):
    """Runs the program with all that it starts; returns also strace's lines on sockets of the internet. (The
    list of interfaces comes from the kernel, over netlink.)"""
    trace = tmp_path / "strace"
    seen = look(
        tmp_path,
        settings,
        mode="none",
        command=["strace", "-f", "-qq", "-e", "trace=network", "-o", trace, tool("telrun"), "--", program()],
    )
    assert len(seen.events) == 6, seen.stderr
    lines = trace.read_text().splitlines()
    assert any("AF_UNIX" in line for line in lines), "strace saw nothing"
    return seen, [line for line in lines if re.search(r"socket\(AF_INET|sa_family=AF_INET", line)]


def test_off_cloud_nothing_is_sent(tmp_path):
    seen, inet = strace(tmp_path, {"ENABLE_CLOUD_METADATA": "true", "TELEMETRY_DIAGNOSTICS": "true"})
    assert seen.cloud["provider"] == "local"
    assert inet == []
    assert not (tmp_path / "home/.telemetry_metadata.json").exists()


def test_strace_would_see_it(tmp_path):
    """On a cloud the drain connects to its service and to nothing else; from the cache, not at all."""
    with platforms.running("ec2", tmp_path) as platform:
        port = platform.servers[0].port
        _, inet = strace(tmp_path, platform.settings())
        connects = [line for line in inet if "connect(" in line]
        assert connects and all(f"htons({port})" in line for line in connects)
        _, inet = strace(tmp_path, platform.settings())
        assert inet == []


def test_the_program_itself_makes_no_call(tmp_path):
    """What it does is the same with and without metadata: not one system call more."""

    def calls(settings):
        trace = tmp_path / "calls"
        look(tmp_path, settings, command=["strace", "-qq", "-o", trace, program()])
        return [line.split("(")[0] for line in trace.read_text().splitlines()]

    with platforms.running("eks", tmp_path) as platform:
        with_metadata = calls(platform.settings())
        assert platform.requests()
        without = calls(platform.settings(ENABLE_CLOUD_METADATA="false"))
    settled = ("futex", "nanosleep", "clock_nanosleep", "restart_syscall", "sched_yield")
    assert [call for call in with_metadata if call not in settled] == [
        call for call in without if call not in settled
    ]


@pytest.mark.long
def test_how_long_it_takes(tmp_path, figure):
    """Figures, not limits: a busy machine is slow. Services answer after 5 ms."""
    for name in platforms.NAMES:
        folder = tmp_path / name
        folder.mkdir()
        with platforms.running(name, folder, delay=0.005) as platform:
            first = sorted(
                look(folder, platform.settings(DISABLE_METADATA_CACHE="true")).milliseconds for _ in range(5)
            )
            look(folder, platform.settings())
            cached = sorted(look(folder, platform.settings()).milliseconds for _ in range(5))
        figure(
            f"{name}: found in {first[0]:.0f}..{first[-1]:.0f} ms, from the cache "
            f"{cached[0]:.2f}..{cached[-1]:.2f} ms"
        )


def test_secrets_in_the_command_line(tmp_path):
    """They are in no event, no recording and no spool; the program gets them as they are."""
    arguments = [
        "2",
        "--password",
        "hunter2 x",
        "--api-key=hunter2",
        "https://me:hunter2@host/?sig=hunter2",
        "Authorization: Bearer hunter2",
        "-c",
        "mysql -phunter2",
    ]
    command = [program(), *arguments]
    seen = look(tmp_path, command=command)
    assert seen.blocks["process"]["command_line"] == (
        f"{program()} 2 --password REDACTED --api-key=REDACTED https://REDACTED:REDACTED@host/?sig=REDACTED "
        "Authorization: REDACTED -c mysql -pREDACTED"
    )
    assert "hunter2" not in (tmp_path / "where.jsonl").read_text()
    look(tmp_path, {"TELEMETRY_RECORD": str(tmp_path / "record")}, command=command)
    recordings = list((tmp_path / "record").iterdir())
    assert recordings and all(b"hunter2" not in path.read_bytes() for path in recordings)


def test_versions_of_the_service(tmp_path):
    """What is set; OpenTelemetry's word; git's HEAD, without git; the program's build id."""
    build_id = subprocess.run(["readelf", "-n", program()], capture_output=True, text=True, check=True).stdout
    build_id = re.search(r"Build ID: ([0-9a-f]+)", build_id).group(1)
    assert look(tmp_path).blocks["service"] == {"name": tmp_path.name, "version": build_id}
    attributes = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop,service.version=7,deployment.environment.name=qa"
    }
    seen = look(tmp_path, attributes)
    assert seen.blocks["service"] == {"name": "shop", "version": "7"} and seen.blocks["environment"] == "qa"
    seen = look(
        tmp_path, attributes | {"OTEL_SERVICE_NAME": "other", "SERVICE_VERSION": "8", "ENVIRONMENT": "prod"}
    )
    assert (
        seen.blocks["service"] == {"name": "other", "version": "8"} and seen.blocks["environment"] == "prod"
    )
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", tmp_path]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert look(tmp_path).blocks["service"]["version"] == commit[:7]
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert look(tmp_path).blocks["service"]["version"] == commit[:7]
    # Somebody's trap: a FIFO must not be waited for.
    (tmp_path / ".git/HEAD").unlink()
    os.mkfifo(tmp_path / ".git/HEAD")
    assert look(tmp_path).blocks["service"]["version"] == build_id
