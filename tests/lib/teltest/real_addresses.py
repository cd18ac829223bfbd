"""python -m teltest.real_addresses PLATFORM FOLDER: in a network namespace of its own, which has nothing but
a loopback, metadata services answer at their real addresses. Prints, as JSON, what telinject's events say
and what OpenTelemetry's detectors say. Nothing outside is ever reached: there is no outside.

To be started by start().
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from teltest import platforms
from teltest.node_packages import installed
from teltest.run import build_directory
from teltest.where import bare_environment, look, program

_ADDRESSES = ("169.254.169.254/32", "169.254.170.2/32", "169.254.100.1/32", "10.96.0.1/32")
_INSIDE = "TELTEST_IN_NAMESPACE"


def detectors():
    """The folder with the detectors, installed from npm on first use."""
    return installed("otel", "detect.js")


def start(name, folder):
    """(what telinject says, what the detectors say)."""
    detectors()
    program()
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        _INSIDE: "yes",
        "TELINJECT_BUILD": str(build_directory()),
    }
    result = subprocess.run(
        [*unshare, sys.executable, "-m", "teltest.real_addresses", name, folder],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    both = json.loads(result.stdout)
    return both["telinject"], both["detectors"]


def _run_detectors(name, folder, platform, more):
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = bare_environment(home) | platform.environment | more | {"ROOT": str(platform.root)}
    result = subprocess.run(
        ["node", "detect.js", name],
        cwd=detectors(),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def main(name, folder):
    assert os.environ.get(_INSIDE) == "yes", "to be started by start(): not in the machine's own network"
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in _ADDRESSES:
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
    links = json.loads(subprocess.run(["ip", "-json", "link"], check=True, capture_output=True).stdout)
    assert [link["ifname"] for link in links if link["flags"].count("UP")] == ["lo"], links
    more = {}
    if name == "aks":
        more["CLUSTER_RESOURCE_ID"] = (
            "/subscriptions/8d10da13-8125-4ba9-a717-bf7490507b3d/resourceGroups/"
            "shop-group/providers/Microsoft.ContainerService/managedClusters/prod-aks"
        )
    with platforms.running(name, folder, real=True) as platform:
        seen = look(folder, platform.settings(), environment=more)
        assert not any(key.endswith(("ENDPOINT", "METADATA_HOST")) for key in platform.environment)
        # An event has the container's id in `k8s` only; the cache's key has it anywhere.
        cache = json.loads((folder / "home/.telemetry_metadata.json").read_text())
        ours = seen.blocks | {"key": cache["key"]}
        both = {"telinject": ours, "detectors": _run_detectors(name, folder, platform, more)}
    print(json.dumps(both))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
