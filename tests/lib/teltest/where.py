"""Runs the program `where` on a platform of platforms.py, and reads what its events say of it."""

import functools
import re
import subprocess
from dataclasses import dataclass

from teltest.events import read_events
from teltest.run import APPS, build, clean_environment, library, tool

# What would tell of the machine that the tests run on.
_FOREIGN = (
    "AWS_",
    "ECS_",
    "GCE_",
    "K8S_",
    "KUBERNETES_",
    "POD_",
    "NODE_",
    "CONTAINER_",
    "CPU_",
    "MEMORY_",
    "ENABLE_",
    "DISABLE_",
)
_FOREIGN_NAMES = {
    "CLUSTER_RESOURCE_ID",
    "DEPLOYMENT_NAME",
    "SERVICE_ACCOUNT_NAME",
    "HOST_IP",
    "HOSTNAME",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "no_proxy",
}

BLOCKS = ("service", "environment", "resource", "cloud", "host", "k8s", "process")


@functools.cache
def program():
    return build("where", [APPS / "where.c"])


def bare_environment(home):
    """Ours without anything that names a platform, and with a home of the test's own."""
    kept = {
        name: value
        for name, value in clean_environment().items()
        if not name.startswith(_FOREIGN) and name not in _FOREIGN_NAMES
    }
    return kept | {"HOME": str(home)}


@dataclass
class Seen:
    """What came of a run."""

    status: int
    stdout: bytes
    stderr: str
    events: list

    @property
    def blocks(self):
        """The constant part, which all events of the process must have alike."""
        assert len(self.events) == 6, f"three calls are six events, not {len(self.events)}\n{self.stderr}"
        parts = [{name: event[name] for name in BLOCKS if name in event} for event in self.events]
        assert all(part == parts[0] for part in parts)
        return parts[0]

    @property
    def cloud(self):
        return self.blocks["cloud"]

    @property
    def k8s(self):
        return self.blocks.get("k8s")

    @property
    def diagnostics(self):
        return [line for line in self.stderr.splitlines() if line.startswith("telinject: metadata: ")]

    @property
    def milliseconds(self):
        return float(re.search(r" in ([0-9.]+) ms", self.diagnostics[0]).group(1))


def look(folder, settings=None, mode="telrun", command=None, cwd=None, environment=None):
    """Runs `where` with these settings; its home is folder/home, so that the cache is kept between calls.

    Standard error is a file: of a pipe the reader sees the end when the program is over, and lines that the
    drain has for it later go nowhere.
    """
    home, errors, events = folder / "home", folder / "stderr", folder / "where.jsonl"
    home.mkdir(exist_ok=True)
    events.unlink(missing_ok=True)
    command = [str(word) for word in command or [program()]]
    variables = (
        bare_environment(home)
        | (environment or {})
        | {
            "TELEMETRY_OUTPUT": "file",
            "TELEMETRY_FILE": str(events),
            "TELEMETRY_SUMMARY": "never",
            "TELEMETRY_EXIT_WAIT": "600000",
        }
        | (settings or {})
    )
    if mode == "preload":
        variables["LD_PRELOAD"] = str(library())
    started = [str(tool("telrun")), "--", *command] if mode == "telrun" else command
    with open(errors, "wb") as stderr:
        result = subprocess.run(
            started,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=cwd or folder,
            timeout=120,
        )
    return Seen(
        result.returncode,
        result.stdout,
        errors.read_text(),
        list(read_events(events)) if events.exists() else [],
    )
