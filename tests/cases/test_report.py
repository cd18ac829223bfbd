"""telinject report and telrun --report: the file has every call, and a browser shows what it says."""

import html
import re
import subprocess
from collections import Counter

import pytest
from teltest.recording_server import RecordingServer
from teltest.report import Report
from teltest.run import APPS, build, clean_environment, tool
from viewed import Recorded, database, failing, view  # noqa: F401

SECONDS = 120


def report_of(*words):
    return Report(view("report", *words).decode())


class Browser:
    """Headless Chromium."""

    def __init__(self, folder):
        self.folder = folder

    def _run(self, page, *options, address=""):
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   f"--user-data-dir={self.folder}/profile", "--virtual-time-budget=20000", *options,
                   f"file://{page}{address}"]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True,
                              env=clean_environment())

    def elements(self, page, address=""):
        """The page as it is after its scripts have run."""
        done = self._run(page, "--dump-dom", "--enable-logging=stderr", "--v=0", address=address)
        assert 'data-ready="true"' in done.stdout, done.stdout[:2000]
        problems = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        assert not problems
        return done.stdout


@pytest.fixture
def browser(tmp_path):
    return Browser(tmp_path)


def text_of(page):
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_every_call_is_in_it(database):
    report = report_of(database.recording)
    assert report.head["threshold"] == 0
    assert (Counter((call.name, call.start_ns) for call in report.calls)
            == Counter((name, start) for name, start, _ in database.calls.elements()))
    own = {(row["function_name"], row["function_file"]): (row["calls"], row["self_ns"], row["p99_ns"])
           for row in database.totals}
    assert {(f["name"], f["file"]): (f["calls"], f["own"], f["p99"]) for f in report.head["functions"]
            if f["calls"]} == own
    assert all(sum(calls for _, calls in f["histogram"]) == f["calls"] for f in report.head["functions"])


def test_calls_nest(database):
    open_calls = []
    for call in report_of(database.recording).calls:
        del open_calls[call.depth:]
        if open_calls:
            around = open_calls[-1]
            assert around.track == call.track
            assert around.start_ns <= call.start_ns
            assert call.start_ns + call.length_ns <= around.start_ns + around.length_ns
        open_calls.append(call)


def test_size(database):
    page = view("report", database.recording)
    calls = database.calls.total()
    # The page, names and sums, calls. Of these the times are most: 2 bytes on an idle machine, up to 4 on one
    # that is busy with other tests, where they differ more.
    assert len(page) < 45_000 + 150_000 + 5 * calls


def test_below_the_budget_all_calls_are_counted(database):
    whole = report_of(database.recording)
    small = report_of("--budget=64kB", database.recording)
    threshold = small.head["threshold"]
    shown = [call for call in small.calls if call.run is None]
    left_out = sum(call.run[0] for call in small.calls if call.run)
    assert threshold > 0 and len(shown) < len(whole.calls) / 3
    assert len(shown) + left_out == len(whole.calls)
    assert small.head["functions"] == whole.head["functions"] and small.head["tree"] == whole.head["tree"]
    kept = Counter((call.name, call.start_ns) for call in shown)
    for call in whole.calls:
        if call.length_ns >= threshold:
            assert kept[call.name, call.start_ns], call


def test_errors_are_kept(failing):
    report = report_of("--budget=1kB", failing.recording)
    types = {mark["type"] for track in report.head["tracks"] for mark in track["marks"] if mark["type"]}
    assert types == {event["error"]["type"] for event in failing.events
                     if event["event_type"] == "function_exit" and event.get("error")}


def test_the_page_says_what_the_data_say(database, tmp_path, browser):
    page = tmp_path / "report.html"
    view("report", "-o", page, database.recording, said="report file://")
    shown = text_of(browser.elements(page))
    for row in sorted(database.totals, key=lambda row: -row["self_ns"])[:5]:
        assert row["function_name"] in shown and f"{row['calls']:,}" in shown
    for text in f"{database.calls.total():,}", "nothing lost", "Where the time went":
        assert text in shown


@pytest.mark.parametrize("screen", ["timeline", "flame", "functions", "about"])
def test_screens_are_drawn(database, tmp_path, browser, screen):
    page = tmp_path / "report.html"
    view("report", "-o", page, database.recording, said="report file://")
    assert re.search(rf'<section id="{screen}"[^>]*class="[^"]*\bon\b', browser.elements(page, f"#{screen}"))


def test_errors_are_shown(failing, tmp_path, browser):
    page = tmp_path / "report.html"
    view("report", "-o", page, failing.recording, said="report file://")
    shown = text_of(browser.elements(page, "#errors"))
    for event in failing.events:
        if event["event_type"] == "function_exit" and event.get("error"):
            assert event["error"]["type"] in shown


def test_requests_are_shown(tmp_path, browser):
    server, recording = RecordingServer(), tmp_path / "recording"
    urls = [server.url("/here"), server.url("/there")]
    subprocess.run([tool("telrun"), "-q", f"--record={recording}", "curl", "-s", *urls, "-o", "/dev/null",
                    "-o", "/dev/null"], check=True, env=clean_environment())
    server.close()
    page = tmp_path / "report.html"
    view("report", "-o", page, recording, said="report file://")
    shown = text_of(browser.elements(page, "#http"))
    assert all(f"GET {url}" in shown for url in urls)


def test_hostile_names_harm_nothing(tmp_path, browser):
    source = tmp_path / "evil.c"
    source.write_text("int evil(int n) { return n + 1; }\nint main(void) { return evil(1) != 2; }\n")
    program = tmp_path / "evil"
    name = '</script><img src=x onerror=alert(1)>"'
    plain = build("evil", [source], flags=("-O0", "-g0"))
    subprocess.run(["objcopy", f"--redefine-sym=evil={name}", plain, program], check=True)
    recorded = Recorded(tmp_path, [program])
    assert name in {event["function_name"] for event in recorded.events}
    page = tmp_path / "report.html"
    view("report", "-o", page, recorded.recording, said="report file://")
    shown = browser.elements(page)
    assert "<img" not in shown and html.escape(name, quote=False) in shown


def test_nothing_is_loaded_from_a_network(database):
    page = view("report", database.recording).decode()
    assert "default-src 'none'" in page
    text = re.sub(r'type="text/plain"[^<]*', "", page)
    assert not re.search(r"(src|href)\s*=|@import|url\(|https?://(?!www\.w3\.org)", text)


class TestTelrun:
    def run(self, folder, *options, **settings):
        program = build("calls", [APPS / "indirect.c"])
        return subprocess.run([tool("telrun"), *options, program], cwd=folder, capture_output=True, text=True,
                              env=clean_environment() | settings, timeout=SECONDS)

    def test_alone(self, tmp_path):
        done = self.run(tmp_path, "-q", "--report")
        name = build("calls", [APPS / "indirect.c"]).name
        assert done.stdout == "2\n"
        assert re.fullmatch(rf"\S+: report file://{tmp_path}/{name}\.html \(\S+ kB\)\n", done.stderr)
        assert len(Report((tmp_path / f"{name}.html").read_text()).calls) == 3

    def test_beside_events(self, tmp_path):
        self.run(tmp_path, "-q", "--report=r.html", "-o", "events.jsonl")
        assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 6
        assert len(Report((tmp_path / "r.html").read_text()).calls) == 3

    def test_where_it_cannot_be_written(self, tmp_path):
        done = self.run(tmp_path, "-q", "--report=missing/r.html")
        assert done.stdout == "2\n" and "missing/r.html" in done.stderr and done.stderr.count("\n") == 1

    def test_with_a_recording(self, tmp_path):
        done = self.run(tmp_path, "-q", "--report", "--record=recording")
        assert "telinject report FOLDER" in done.stderr
