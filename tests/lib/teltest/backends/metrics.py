"""Metrics on their way to a query: telinject, the Collector with contrib's configuration, Prometheus with
contrib's configuration and rules. PromQL's answers are compared with the totals of the same run; the
dashboard's queries are asked, too."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from pathlib import Path

from teltest.backends import programs
from teltest.backends.collector import Collector
from teltest.otlp_metrics import functions
from teltest.proc import wait_for
from teltest.prometheus import program
from teltest.run import clean_environment, tool
from teltest.web.processes import answers, free_ports

CONTRIB = Path(__file__).resolve().parents[4] / "contrib"
PATIENCE = 120  # seconds until what was sent is scraped
LABELS = ("code_function_name", "telinject_module", "code_file_path")


def _serve_and_ask(traced_server, traced_client, environment):
    """Python's server is asked by curl: for a page, and for one that is not there."""
    (port,) = free_ports(1)
    telrun = [tool("telrun"), "--"]
    server = [*(telrun if traced_server else []), sys.executable, "-m", "http.server", "-b", "127.0.0.1",
              str(port)]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="served-") as folder, subprocess.Popen(
            server, env=environment, cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL) as serving:
        wait_for(lambda: answers(("127.0.0.1", port)), "the server")
        subprocess.run([*(telrun if traced_client else []), "curl", "-s", f"{url}/", f"{url}/no"], check=True,
                       env=environment, stdout=subprocess.DEVNULL)
        serving.terminate()


# One session each: its totals are what is compared with.
PROGRAMS = {name: run for name, run in programs.ALL.items() if name in ("sqlite", "exceptions", "crash")} | {
    "http client": lambda environment: _serve_and_ask(False, True, environment),
    "http server": lambda environment: _serve_and_ask(True, False, environment)}


class Metrics:
    """A context. Prometheus is Debian's package."""

    NAME = "metrics"
    # What is set besides, whether histograms are native.
    FORMATS = {"native": ({}, True),
               "grpc, native": ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, True),
               "classic": ({"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION":
                            "explicit_bucket_histogram"}, False)}

    def __init__(self, cache, folder):
        self.collector = Collector(cache.parent / Collector.NAME, folder)
        self.folder = folder
        self.http, self.grpc, self.scraped, self.port = free_ports(4)
        self.processes = []

    def build(self):
        self.collector.build()

    def __enter__(self):
        environment = os.environ | {"LISTEN_HTTP": f"127.0.0.1:{self.http}",
                                    "LISTEN_GRPC": f"127.0.0.1:{self.grpc}",
                                    "LISTEN_PROMETHEUS": f"127.0.0.1:{self.scraped}"}
        config = f"--config=file:{CONTRIB}/collector/collector.yaml"
        subprocess.run([self.collector.program, "validate", config], env=environment, check=True)
        self._start("collector", [self.collector.program, config], environment)
        text = (CONTRIB / "prometheus/prometheus.yml").read_text()
        for old, new in (("localhost:8889", f"127.0.0.1:{self.scraped}"),
                         ("_interval: 15s", "_interval: 5s")):
            assert old in text
            text = text.replace(old, new)
        (self.folder / "prometheus.yml").write_text(text)
        (self.folder / "rules.yml").write_text((CONTRIB / "prometheus/rules.yml").read_text())
        self._start("prometheus", [program("prometheus"), f"--config.file={self.folder}/prometheus.yml",
                                   f"--storage.tsdb.path={self.folder}/data",
                                   f"--web.listen-address=127.0.0.1:{self.port}",
                                   "--enable-feature=native-histograms"], environment)
        for port in (self.http, self.grpc, self.scraped, self.port):
            wait_for(lambda port=port: answers(("127.0.0.1", port)), f"port {port}")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait(timeout=60)

    def _start(self, name, command, environment):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    def query(self, expression):
        """[(labels, value)]; fails if Prometheus does not like it."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(url, timeout=60) as answer:
            result = json.load(answer)
        assert result["status"] == "success", result
        return [(row["metric"], float(row["value"][1])) for row in result["data"]["result"]
                if "value" in row]

    def by_function(self, expression):
        """{(function, module, file): value}."""
        grouped = f"sum by ({', '.join(LABELS)}) ({expression})"
        return {tuple(labels.get(name, "") for name in LABELS): value
                for labels, value in self.query(grouped)}

    def compare(self, form, name, run, folder):
        """Runs a program; (problems, number of calls)."""
        more, native = self.FORMATS[form]
        service = re.sub("[, ]+", "-", f"{name} {form}")
        totals = folder / f"{service}.json"
        port = self.grpc if form.startswith("grpc") else self.http
        run(clean_environment() | more | {
            "TELEMETRY_OUTPUT": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "SERVICE_NAME": service, "TELEMETRY_SUMMARY": "never", "TELEMETRY_TOTALS_FILE": str(totals),
            "TELEMETRY_SPOOL_DIR": str(folder), "OTEL_TRACES_EXPORTER": "none"})
        document = json.loads(totals.read_bytes())
        expected = functions(document)
        calls = sum(row["calls"] for row in expected.values())
        selector = f'{{service_name="{service}", job="{service}"}}'
        end = time.monotonic() + PATIENCE
        while True:
            problems = self._problems(selector, native, expected, document)
            if not problems or time.monotonic() > end:
                return problems, calls
            time.sleep(0.5)

    def _problems(self, selector, native, expected, document):
        sums = (("function_calls_total", "calls", 1), ("function_self_time_seconds_total", "self_ns", 1e9))
        problems = []
        for metric, field, factor in sums:
            got = self.by_function(metric + selector)
            problems += self._differences(metric, got, expected, field, factor)
        for function, suffix, field, factor in (("histogram_count", "count", "calls", 1),
                                                ("histogram_sum", "sum", "total_ns", 1e9)):
            metric = "function_duration_seconds"
            asked = f"{function}({metric}{selector})" if native else f"{metric}_{suffix}{selector}"
            problems += self._differences(asked, self.by_function(asked), expected, field, factor)
        return problems + self._http_problems(selector, native, document)

    @staticmethod
    def _differences(what, got, expected, field, factor):
        rounded = {key: round(value * factor) for key, value in got.items()}
        wanted = {key: row[field] for key, row in expected.items()}
        return [f"{what} of {key}: {rounded.get(key)}, not {wanted.get(key)}"
                for key in {*rounded, *wanted} if rounded.get(key) != wanted.get(key)]

    def _http_problems(self, selector, native, document):
        problems = []
        for side in ("client", "server"):
            metric = f"http_{side}_request_duration_seconds"
            asked = f"histogram_count({metric}{selector})" if native else f"{metric}_count{selector}"
            got = Counter()
            for labels, value in self.query(asked):
                outcome = labels.get("http_response_status_code") or labels.get("error_type")
                got[labels["http_request_method"], outcome] += round(value)
            wanted = Counter()
            for row in document["http"]:
                if row["span_kind"] == side:
                    outcome = str(row.get("status_code") or row["error_type"])
                    wanted[row["method"], outcome] += row["requests"]
            if got != wanted:
                problems.append(f"{asked}: {dict(got)}, not {dict(wanted)}")
        return problems

    def dashboard_problems(self):
        """Each query of the dashboard, with all services chosen, has an answer."""
        problems = []
        for panel in json.loads((CONTRIB / "grafana/telinject.json").read_text())["panels"]:
            for target in panel["targets"]:
                asked = target["expr"].replace("$__rate_interval", "1m")
                asked = re.sub(r"\$(service|instance)", ".*", asked)
                assert "$" not in asked, asked
                if not self.query(asked):
                    problems.append(f"{panel['title']}: no answer to {asked}")
        return problems

    def rule_problems(self):
        """Each recording rule was evaluated without an error."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/rules", timeout=60) as answer:
            groups = json.load(answer)["data"]["groups"]
        return [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}"
                for group in groups for rule in group["rules"] if rule["health"] != "ok"]

    def finish(self):
        """When all has been compared: [problem]."""
        end = time.monotonic() + PATIENCE
        while True:
            problems = self.dashboard_problems() + self.rule_problems()
            if not problems or time.monotonic() > end:
                return problems
            time.sleep(1)
