"""Prometheus, of Debian's package, unpacked into the cache: nothing is installed, no service is started. It
scrapes the targets that it is told, and is asked by its API."""

import json
import os
import threading
import urllib.parse
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from teltest.backends.service import Service, http_answers, http_json, poll
from teltest.web.processes import free_ports

_CONFIG = """global: {{scrape_interval: {seconds}s}}
scrape_configs:
  - job_name: telinject
    honor_timestamps: false  # so that the last metrics of a program that has ended count
    file_sd_configs: [{{files: ['{folder}/targets.json'], refresh_interval: 1s}}]
"""
_SHOWN = """# TYPE function_calls_total counter
function_calls_total{function="main",service_name="shop"} 1
function_calls_total{function="operator\\"\\" _x(\\\\)",service_name="shop"} 1234567
# TYPE function_duration_seconds histogram
function_duration_seconds_bucket{function="main",le="0.001"} 1
function_duration_seconds_bucket{function="main",le="+Inf"} 3
function_duration_seconds_sum{function="main"} 2.25
function_duration_seconds_count{function="main"} 3
"""
_WANTED = {("function_calls_total", "main", None): 1,
           ("function_calls_total", 'operator"" _x(\\)', None): 1234567,
           ("function_duration_seconds_bucket", "main", "0.001"): 1,
           ("function_duration_seconds_bucket", "main", "+Inf"): 3,
           ("function_duration_seconds_sum", "main", None): 2.25,
           ("function_duration_seconds_count", "main", None): 3}


class Prometheus(Service):
    NAME, VERSION, PROGRAM = "prometheus", "2.42.0", "usr/bin/prometheus"
    TITLE, HOW = "Prometheus", "Debian's package"
    TAKES, COUNTS = "seconds", "samples"
    STEPS = (("sh", "-c", "rm -f prometheus_*.deb"),
             ("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "prometheus"),
             ("sh", "-c", "dpkg -x prometheus_*.deb ."))

    def __init__(self, cache, folder, scrape_seconds=1):
        super().__init__(cache, folder)
        self.scrape_seconds = scrape_seconds
        (self.port,) = free_ports(1)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        config = self.folder / "prometheus.yml"
        config.write_text(_CONFIG.format(seconds=self.scrape_seconds, folder=self.folder))
        self.scrape([])
        return [self.program, f"--config.file={config}", f"--storage.tsdb.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}", "--enable-feature=native-histograms"]

    def ready(self):
        return http_answers(f"{self.url}/-/ready")

    def addresses(self):
        return {"API": self.url, "targets": f"{self.folder}/targets.json"}

    def scrape(self, targets):
        """From now on these, each "host:port" with metrics at /metrics, and no others."""
        made = self.folder / "targets.json.new"
        made.write_text(json.dumps([{"targets": list(targets)}]))
        os.replace(made, self.folder / "targets.json")

    def query(self, expression):
        """[(labels, value)] now."""
        asked = urllib.parse.urlencode({"query": expression})
        answer = http_json(f"{self.url}/api/v1/query?{asked}")
        assert answer["status"] == "success", answer
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def rows(self, _):
        """Samples that a target shows are found as they were."""
        with _target(_SHOWN) as address:
            self.scrape([address])
            found = poll(self._shown, lambda had: len(had) >= len(_WANTED))
        problems = [f"{key} is {found.get(key)}, not {value}" for key, value in _WANTED.items()
                    if found.get(key) != value]
        yield "scrape", "samples", len(_WANTED), problems

    def _shown(self):
        names = {name for name, _, _ in _WANTED}
        return {(name, labels["function"], labels.get("le")): value
                for name in names for labels, value in self.query(name)}


@contextmanager
def _target(text):
    """host:port of a server that shows the text."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802 (its name in the base class)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
