"""What all backends share: built once in a cache, started on ports of their own, ended again."""

import hashlib
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from teltest.proc import wait_for
from teltest.run import clean_environment

LOW = ("nice", "-n", "15")
START_SECONDS = 180  # Java on a busy machine
END_SECONDS = 60
# The machine may be busy: nothing is given up because a backend is slow.
PATIENT = {"TELEMETRY_EXIT_WAIT": "600000", "TELEMETRY_RECEIVER_TIMEOUT": "60s",
           "OTEL_EXPORTER_OTLP_TIMEOUT": "60000"}
PATIENCE = 60  # seconds until what was sent can be read back; usually it takes two


class Service:
    """A context. Subclasses say NAME, VERSION, TAKES (how long the build takes), PROGRAM (what is there when
    it is built), SOURCES (a folder that is copied into the cache first) and STEPS (commands); for
    docs/backends.md TITLE, HOW (it is built), COUNTS (what) and NOTE."""

    NAME = VERSION = TAKES = PROGRAM = TITLE = HOW = COUNTS = NOTE = ""
    SOURCES = PLACE = None  # PLACE: the folder of what was built, if that is more than the program
    STEPS = ()
    FORMATS = {}

    def __init__(self, cache, folder):
        self.cache = Path(cache)
        self.folder = Path(folder)
        self.process = None

    @property
    def program(self):
        return self.cache / self.PROGRAM

    def build(self):
        """Does nothing if the program was built in this way before."""
        stamp, recipe = self.cache / f"built-from-{self.program.name}", self._recipe()
        if self.program.exists() and stamp.exists() and stamp.read_text() == recipe:
            return
        print(f"building {self.NAME} {self.VERSION} in {self.cache}: {self.TAKES}, once", flush=True)
        self.cache.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        if self.SOURCES:
            shutil.copytree(self.SOURCES, self.cache, dirs_exist_ok=True)
        for step in self.STEPS:
            subprocess.run([*LOW, *step], cwd=self.cache, check=True)
        assert self.program.exists(), self.program
        stamp.write_text(recipe)

    def _recipe(self):
        files = sorted(path for path in self.SOURCES.rglob("*") if path.is_file()) if self.SOURCES else []
        parts = [repr(self.STEPS).encode(), *(path.read_bytes() for path in files)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def command(self):
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    @property
    def log(self):
        return self.folder / f"{self.NAME}.log"

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in self.command()], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        try:
            wait_for(self._is_ready, self.NAME, START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            text = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.NAME} ended with {self.process.returncode}: {text}")
        return self.ready()

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def addresses(self):
        """{what: where}, for people."""
        raise NotImplementedError

    def compare(self, form, name, run):
        """Runs one of `programs`, which sends in this format, and asks for it: (problems, count)."""
        raise NotImplementedError

    def rows(self, programs):
        """(format, trace, number of items, problems) of all formats and programs, as they are done."""
        for form in self.FORMATS:
            for name, run in programs.items():
                problems, count = self.compare(form, name, run)
                yield form, name, count, problems

    def size_mb(self):
        """What was built takes on the disk, in MB."""
        place = self.cache / (self.PLACE or self.PROGRAM)
        paths = [place] if place.is_file() else place.rglob("*")
        return sum(path.lstat().st_size for path in paths if path.is_file()) / 1e6

    def memory_mb(self):
        """The most that it had resident so far, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1e3


def go_steps(output, package=".", get=(), tags=""):
    """Commands that build a Go program; a module is made here if the sources are not one already."""
    steps = [("go", "get", *get)] if get else [("go", "mod", "tidy")]
    if get:
        steps.insert(0, ("sh", "-c", "[ -f go.mod ] || go mod init built"))
    return (*steps, ("go", "build", "-p", "2", f"-tags={tags}", "-ldflags=-s -w", "-o", output, package))


def http(url, data=None, method=None, kind=None, seconds=120, encoding=None):
    """(status, body)"""
    headers = {"Content-Type": kind, "Content-Encoding": encoding}
    headers = {name: value for name, value in headers.items() if value}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def http_json(url, document=None, method=None):
    data = None if document is None else json.dumps(document).encode()
    status, body = http(url, data, method, "application/json" if data else None)
    if status >= 300:
        raise RuntimeError(f"{url}: {status} {body[:500]!r}")
    return json.loads(body)


def http_answers(url):
    try:
        return http(url, seconds=2)[0] < 500
    except OSError:
        return False


def poll(ask, enough):
    """What `ask` returns, as soon as it is enough or patience has ended."""
    end = time.monotonic() + PATIENCE
    while True:
        found = ask()
        if enough(found) or time.monotonic() > end:
            return found
        time.sleep(0.3)


def run_sent(run, folder, service, settings):
    """Runs one of `programs` with the settings; the events that it wrote into a file beside."""
    file = folder / f"{service}.jsonl"
    run(clean_environment() | settings | {
        "TELEMETRY_FILE": str(file), "SERVICE_NAME": service, "TELEMETRY_SUMMARY": "never",
        "TELEMETRY_SPOOL_DIR": str(folder)} | PATIENT)
    return file.read_bytes().splitlines()
