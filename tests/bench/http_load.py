"""What HTTP tracing costs a server: wrk against nginx, one worker, a small file, 64 connections.

Two nginx processes of the same configuration differ by as much as a tenth, as long as they live (where their
memory came to lie, for one). So every repetition starts each configuration anew, one after the other in an
order of its own, once the drains have nothing left to do, and there are several times as many repetitions as
of other measurements. Ratios are of one repetition, so that a machine that is slower for a while is so for
all; their base is the mean of two untraced servers, and the second's own ratio shows what is left of the
noise. Processor time is the worker's: on a machine with other work to do it tells more than the requests
that were answered.

The library's share of the worker's time is counted by perf, where that is installed:

    perf record -e cpu-clock -F 997 -p WORKER -o FILE -- sleep SECONDS     (beside wrk)
    perf report -i FILE --sort dso --stdio

It does not depend on what else the machine does, nor on where memory came to lie.
"""

import os
import random
import re
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from measure import let_drains_finish  # noqa: E402
from teltest.proc import wait_for  # noqa: E402
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
SHARED = ("sampling 0.01", "sampling 1.0")  # configurations whose share is counted
MOST_SHARE = 3.1  # percent of the worker's time, plain, at 0.01
KINDS = ("plain", "tls")
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
    """The child of nginx's master, which may listen before it has one."""
    return wait_for(lambda: worker_below(nginx.server.process.pid), "nginx's worker")


def worker_below(pid):
    """Of the master, which is this process or telrun's child; None if it is not there yet."""
    is_master = Path(f"/proc/{pid}/comm").read_text().strip() == "nginx"
    below = children(pid)
    if is_master:
        return below[0] if below else None
    return next(filter(None, map(worker_below, below)), None)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def processor_ns(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def share_of_library(worker, data, seconds):
    """Percent of the worker's samples that are in the library, for so long."""
    subprocess.run(["perf", "record", "-e", "cpu-clock", "-F", "997", "-p", worker, "-o", data, "--",
                    "sleep", str(seconds)], capture_output=True, check=True)
    report = subprocess.run(["perf", "report", "-i", data, "--sort", "dso", "--stdio"], capture_output=True,
                            text=True, check=True).stdout
    found = re.search(r"(?m)^ *([0-9.]+)% +libtelinject", report)
    return float(found.group(1)) if found else 0.0


class Loads:
    """pinned: scripts/bench's: nginx on one core, drains and wrk on the others."""

    def __init__(self, folder, pinned):
        self.folder = folder
        self.pinned = pinned
        self.authority = Authority(folder / "authority")
        self.said = {name: Counter() for name in CONFIGURATIONS}
        self.told = Counter()  # exchanges in the summary, and requests that wrk had answered
        self.answered = Counter()

    def start(self, name):
        traced = CONFIGURATIONS[name]
        prefix, environment = self.pinned.program, dict(os.environ)
        if traced is not None:
            settings, options = traced
            environment |= settings
            prefix = self.pinned.telrun(["--summary", "-o", "/dev/null", *options], [])
            prefix[prefix.index("--") + 1:] = self.pinned.program
        folder = self.folder / "nginx"
        shutil.rmtree(folder, ignore_errors=True)
        return Nginx(folder, self.authority, prefix, environment, logged=False)

    def ask_one(self, name, seconds):
        """{kind: (requests a second, p99 in ms, us of processor time a request)} of a server of its own."""
        let_drains_finish()
        nginx = self.start(name)
        found = {}
        try:
            worker = worker_of(nginx)
            for kind in KINDS:
                before = processor_ns(worker)
                rate, p99, requests = ask(self.pinned.drain, nginx.url(kind=kind), seconds)
                self.answered[name] += requests
                found[kind] = (rate, p99, (processor_ns(worker) - before) / 1000 / requests)
            nginx.stop()
        finally:
            nginx.server.kill()
        text = (nginx.folder / "output.log").read_text()
        for number, what in re.findall(r"(?m)^ *lost +([0-9,]+) (.*)$", text):
            self.said[name][what] += int(number.replace(",", ""))
        for number in re.findall(r"(?m)^ *http +([0-9,]+) requests?,", text):
            self.told[name] += int(number.replace(",", ""))
        return found

    def shares(self, repetitions, seconds):
        """{kind: {configuration: [percent, ...]}}; None without perf."""
        if shutil.which("perf") is None:
            return None
        found = {kind: {name: [] for name in SHARED} for kind in KINDS}
        for name in [name for _ in range(repetitions) for name in SHARED]:
            let_drains_finish()
            nginx = self.start(name)
            try:
                worker = worker_of(nginx)
                for kind in KINDS:
                    with subprocess.Popen([*self.pinned.drain, "wrk", "-t", "1", "-c", str(CONNECTIONS), "-d",
                                           f"{seconds + 1}s", nginx.url(kind=kind)],
                                          stdout=subprocess.DEVNULL):
                        found[kind][name].append(share_of_library(worker, self.folder / "perf.data", seconds))
                nginx.stop()
            finally:
                nginx.server.kill()
        return found

    def measure(self, repetitions, seconds):
        """{kind: {configuration: {"rates": [...], "p99_ms": [...], "cpu_us": [...], ...}}}"""
        report = {kind: {name: {"rates": [], "p99_ms": [], "cpu_us": []} for name in CONFIGURATIONS}
                  for kind in KINDS}
        for repetition in range(repetitions):
            names = list(CONFIGURATIONS)
            random.Random(repetition).shuffle(names)
            for name in names:
                for kind, values in self.ask_one(name, seconds).items():
                    for what, value in zip(("rates", "p99_ms", "cpu_us"), values):
                        report[kind][name][what].append(value)
        for found in report.values():
            base = {what: [statistics.mean(both) for both in zip(found[UNTRACED][what], found[AGAIN][what])]
                    for what in ("rates", "cpu_us")}
            for values in found.values():
                values["ratios"] = [mine / plain for mine, plain in zip(values["rates"], base["rates"])]
                values["cpu_ratios"] = [plain / mine for mine, plain in zip(values["cpu_us"], base["cpu_us"])]
        return report


def mean_and_error(values):
    """The mean, and its standard error."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0
    return f"{statistics.mean(values):.3f} +- {error:.3f}"


def span(values):
    return f"{min(values):.3f}..{max(values):.3f}"


def show(report):
    for kind, found in report["load"].items():
        servers = len(found[UNTRACED]["rates"])
        print(f"\nwrk against nginx, 1 worker, {CONNECTIONS} connections, {kind}, "
              f"{servers} servers of each:\n")
        print(f"  {'':16}{'requests/s':>12}{'of untraced':>18}{'min..max':>16}{'p99 ms':>9}"
              f"{'CPU us/request':>16}{'untraced/CPU':>18}{'min..max':>16}")
        for name, values in found.items():
            lost = "; ".join(f"{number:,} {what}" for what, number in report["said"][name].items())
            told, answered = report["told"][name], report["answered"][name]
            print(f"  {name:16}{statistics.median(values['rates']):12,.0f}"
                  f"{mean_and_error(values['ratios']):>18}"
                  f"{span(values['ratios']):>16}{statistics.median(values['p99_ms']):9.2f}"
                  f"{statistics.median(values['cpu_us']):16.1f}"
                  f"{mean_and_error(values['cpu_ratios']):>18}"
                  f"{span(values['cpu_ratios']):>16}"
                  f"{f'   told {told:,} of {answered:,} (both kinds)' if told else ''}"
                  f"{'   lost: ' + lost if lost else ''}")
    show_shares(report["shares"])


def show_shares(shares):
    if shares is None:
        print("\n  perf is not installed: the library's share of nginx's time was not counted")
        return
    title = f"by perf; plain, sampling 0.01: {MOST_SHARE} % at most"
    print(f"\nlibtelinject's share of the worker's time, {title}\n")
    for kind, found in shares.items():
        for name, percents in found.items():
            print(f"  {kind:6}{name:16}{statistics.mean(percents):6.2f} %   "
                  f"({min(percents):.2f}..{max(percents):.2f})")


def measure_http(folder, pinned, repetitions, seconds):
    loads = Loads(folder, pinned)
    load = loads.measure(repetitions, seconds)
    shares = loads.shares(max(2, repetitions // 2), seconds)
    return {"load": load, "said": loads.said, "told": loads.told, "answered": loads.answered,
            "shares": shares}
