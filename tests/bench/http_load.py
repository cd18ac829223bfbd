"""What HTTP tracing costs a server: wrk against nginx, one worker, a small file, 64 connections.

Each configuration has an nginx of its own; all stand ready, and are asked in turn in every repetition,
each time beginning with another one, once the drains have nothing left to do. Ratios are of one
repetition, so that a machine that is slower for a while is so for all; "untraced again" is another server
like the first, so its ratio is what the machine's noise and the order make of 1. Processor time is the
worker's own: on a machine with other work to do it tells more than the requests that were answered.
"""

import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from measure import let_drains_finish  # noqa: E402
from teltest.web.authority import Authority  # noqa: E402
from teltest.web.nginx import Nginx  # noqa: E402

CONNECTIONS = 64
UNTRACED, AGAIN = "untraced", "untraced again"
# telrun's options; None: without telrun.
CONFIGURATIONS = {
    UNTRACED: None,
    AGAIN: None,
    "HTTP off": ({"TELEMETRY_HTTP": "false"}, ()),
    "sampling 0.01": ({}, ("--sample-rate=0.01",)),
    "sampling 1.0": ({}, ()),
}
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def ask(cores, url, seconds):
    """(requests a second, p99 in ms, requests)"""
    command = [*cores, "wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if "Socket errors" in done.stdout or "Non-2xx" in done.stdout:
        sys.exit(f"bench: {done.stdout}")
    rate = float(re.search(r"Requests/sec: +([0-9.]+)", done.stdout).group(1))
    value, unit = re.search(r"99% +([0-9.]+)(us|ms|s)", done.stdout).groups()
    return rate, float(value) * _UNITS[unit], int(re.search(r"(\d+) requests in", done.stdout).group(1))


def worker_of(nginx):
    """Of nginx's master, or of telrun's child that is it."""
    pid = nginx.server.process.pid
    while (name := Path(f"/proc/{pid}/comm").read_text().strip()) != "nginx" or children(pid):
        below = [child for child in children(pid)
                 if Path(f"/proc/{child}/comm").read_text().startswith("nginx")]
        if not below:
            sys.exit(f"bench: process {pid} ({name}) has no nginx below it")
        pid = below[0]
    return pid


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def processor_ns(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


class Loads:
    """pinned: scripts/bench's: nginx on one core, drains and wrk on the others."""

    def __init__(self, folder, telrun, pinned):
        self.pinned = pinned
        authority = Authority(folder / "authority")
        self.servers = {}
        for name, traced in CONFIGURATIONS.items():
            prefix, environment = pinned.program, dict(os.environ)
            if traced is not None:
                settings, options = traced
                environment |= settings
                prefix = pinned.telrun(["--summary", "-o", "/dev/null", *options], [])
                prefix[prefix.index("--") + 1:] = pinned.program
            self.servers[name] = Nginx(folder / name.replace(" ", "-"), authority, prefix, environment,
                                       logged=False)

    def measure(self, repetitions, seconds):
        """{kind: {configuration: {"rates": [...], "p99_ms": [...], "cpu_us": [...], ...}}}"""
        report = {}
        for kind in ("plain", "tls"):
            found = report[kind] = {name: {"rates": [], "p99_ms": [], "cpu_us": []}
                                    for name in CONFIGURATIONS}
            for repetition in range(repetitions + 1):  # the first warms up
                for name in turned(CONFIGURATIONS, repetition):
                    nginx = self.servers[name]
                    let_drains_finish()
                    worker = worker_of(nginx)
                    before = processor_ns(worker)
                    rate, p99, requests = ask(self.pinned.drain, nginx.url(kind=kind), seconds
                                              if repetition else 1)
                    if repetition:
                        found[name]["rates"].append(rate)
                        found[name]["cpu_us"].append((processor_ns(worker) - before) / 1000 / requests)
                        found[name]["p99_ms"].append(p99)
            # Two servers that are the same differ by several percent as long as they live: both are
            # the base.
            base = {what: [statistics.mean(both) for both in zip(found[UNTRACED][what], found[AGAIN][what])]
                    for what in ("rates", "cpu_us")}
            for values in found.values():
                values["ratios"] = [mine / plain for mine, plain in zip(values["rates"], base["rates"])]
                values["cpu_ratios"] = [plain / mine for mine, plain in zip(values["cpu_us"], base["cpu_us"])]
        return report

    def close(self):
        """What telrun says at the end: {configuration: what was lost}"""
        said = {}
        for name, nginx in self.servers.items():
            nginx.stop()
            text = (nginx.folder / "output.log").read_text()
            said[name] = "; ".join(re.findall(r"(?m)^ *(?:lost|http)  +(.*)$", text))
        return said


def turned(names, by):
    """The names in a circle, beginning `by` later."""
    names = list(names)
    return names[by % len(names):] + names[:by % len(names)]


def span(values):
    return f"{min(values):.3f}..{max(values):.3f}"


def show(report):
    for kind, found in report["load"].items():
        print(f"\nwrk against nginx, 1 worker, {CONNECTIONS} connections, {kind}:\n")
        print(f"  {'':16}{'requests/s':>12}{'of untraced':>13}{'min..max':>16}{'p99 ms':>9}"
              f"{'CPU us/request':>16}{'untraced/CPU':>14}{'min..max':>16}")
        for name, values in found.items():
            ratios = values["ratios"]
            print(f"  {name:16}{statistics.median(values['rates']):12,.0f}{statistics.median(ratios):13.3f}"
                  f"{span(ratios):>16}{statistics.median(values['p99_ms']):9.2f}"
                  f"{statistics.median(values['cpu_us']):16.1f}"
                  f"{statistics.median(values['cpu_ratios']):14.3f}"
                  f"{span(values['cpu_ratios']):>16}   {report['said'][name]}")


def measure_http(folder, telrun, pinned, repetitions, seconds):
    loads = Loads(folder, telrun, pinned)
    try:
        load = loads.measure(repetitions, seconds)
        return {"load": load, "said": loads.close()}
    finally:
        for nginx in loads.servers.values():
            nginx.server.kill()
