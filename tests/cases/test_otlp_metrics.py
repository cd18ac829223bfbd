"""OTLP's metrics: they equal the totals of the same run, as a decoder that is not ours reads them."""

import json
import subprocess
import time

import pytest
from exporting import in_file
from otlp_runs import ALL, SQL, assert_none, exceptions, notice, receiver  # noqa: F401
from teltest import otlp, otlp_metrics
from teltest.otlp_receiver import OtlpReceiver
from teltest.proc import wait_for
from teltest.programs import sqlite
from teltest.run import APPS, build, clean_environment, run, tool
from teltest.web.processes import Server, free_ports, refusing


def settings(receiver, folder, **more):
    return {"TELEMETRY_OUTPUT": "file,otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "TELEMETRY_TOTALS_FILE": str(folder / "totals.json")} | more


def totals_in(folder):
    return json.loads((folder / "totals.json").read_bytes())


@pytest.mark.parametrize("form", ["http/protobuf", "http/json"])
def test_sqlite(receiver, form, tmp_path):
    file = tmp_path / "events.jsonl"
    run(sqlite("gcc", "-O0").command, file, stdin=SQL,
        settings=settings(receiver, tmp_path, OTEL_EXPORTER_OTLP_PROTOCOL=form, OTEL_TRACES_EXPORTER="none"))
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    assert sum(otlp_metrics.counts(metrics, "function.calls").values()) > 5000
    assert_none(otlp_metrics.function_differences(metrics, totals_in(tmp_path)))
    assert_none(otlp_metrics.histogram_differences(metrics, in_file(file)))
    names = {name for points in metrics.values() for key in points for name, _ in key}
    names |= {name for resource in otlp_metrics.resources_of(receiver.metrics) for name in resource}
    assert not otlp.unknown_names(names)


def test_what_filters_sampling_and_the_span_budget_leave_out_is_counted(receiver, tmp_path):
    """The numbers are those of a run that writes all."""
    file = tmp_path / "events.jsonl"
    command = sqlite("gcc", "-O0").command
    run(command, file, stdin=SQL, settings={"TELEMETRY_TOTALS_FILE": str(tmp_path / "whole.json")})
    run(command, tmp_path / "some.jsonl", stdin=SQL, settings=settings(
        receiver, tmp_path, SAMPLE_RATE="0.001", TELEMETRY_TOTALS="exact", TELEMETRY_MAX_DEPTH="3"))
    whole = json.loads((tmp_path / "whole.json").read_bytes())
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    wanted = {key: row["calls"] for key, row in otlp_metrics.functions(whole).items()}
    assert otlp_metrics.counts(metrics, "function.calls", *otlp_metrics.FUNCTION) == wanted
    filtered = otlp_metrics.counts(metrics, "telemetry.filtered_calls", "telinject.filter")
    left_out = totals_in(tmp_path)["left_out"]
    assert filtered == {(name,): count for name, count in left_out.items() if count} != {}


def test_what_the_budget_left_out(receiver, tmp_path):
    run(sqlite("gcc", "-O0").command, tmp_path / "events.jsonl", stdin=SQL,
        settings=settings(receiver, tmp_path, TELEMETRY_OTLP_TRACE_SPANS="100"))
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    calls = sum(otlp_metrics.counts(metrics, "function.calls").values())
    left_out = sum(otlp_metrics.counts(metrics, "telemetry.left_out_spans").values())
    sent = len(otlp.spans_of(receiver.traces))
    assert 0 < sent < 500 and left_out <= calls - sent
    assert left_out > 0


def test_an_estimate_of_a_sample(receiver, notice, tmp_path):
    """SAMPLE_RATE without exact totals: the totals are estimates, and so are the metrics."""
    run([notice, "calls", "4000", "status", "0"], tmp_path / "events.jsonl",
        settings=settings(receiver, tmp_path, SAMPLE_RATE="0.25"))
    totals = totals_in(tmp_path)
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    assert totals["estimate"]
    assert_none(otlp_metrics.function_differences(metrics, totals))


@pytest.mark.parametrize("most", [1, 5, 50])
def test_functions_beyond_the_bound_are_added_up(receiver, most, tmp_path):
    run(sqlite("gcc", "-O0").command, tmp_path / "events.jsonl", stdin=SQL,
        settings=settings(receiver, tmp_path, TELEMETRY_OTLP_METRIC_FUNCTIONS=str(most)))
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    expected = otlp_metrics.functions(totals_in(tmp_path))
    assert len(metrics["function.duration"]) == most + 1
    calls = otlp_metrics.counts(metrics, "function.calls", *otlp_metrics.FUNCTION)
    others = calls.pop(("others", "", ""))
    assert len(calls) == most
    assert all(expected[key]["calls"] == count for key, count in calls.items())
    assert others == sum(row["calls"] for key, row in expected.items() if key not in calls)
    # Those with most time of their own.
    least = min(expected[key]["self_ns"] for key in calls)
    assert all(row["self_ns"] <= least for key, row in expected.items() if key not in calls)
    point = metrics["function.duration"][frozenset({("code.function.name", "others")})]
    left = [row for key, row in expected.items() if key not in calls]
    assert otlp_metrics.ns(point.sum) == sum(row["total_ns"] for row in left)
    assert point.count == sum(otlp_metrics.buckets_of(point)) == others


def test_explicit_buckets(receiver, tmp_path):
    file = tmp_path / "events.jsonl"
    run(sqlite("gcc", "-O0").command, file, stdin=SQL, settings=settings(
        receiver, tmp_path,
        OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="explicit_bucket_histogram"))
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    assert_none(otlp_metrics.function_differences(metrics, totals_in(tmp_path)))
    durations, compared = {}, 0
    for event in in_file(file):
        if event["event_type"] == "function_exit":
            durations.setdefault(event["function_name"], []).append(event["duration_ns"] / 1e9)
    for key, point in metrics["function.duration"].items():
        values = durations[dict(key)["code.function.name"]]
        bounds = list(point.explicit_bounds)
        assert bounds == [2.0**power for power in range(-22, 7, 2)]
        if len(values) == point.count:
            compared += 1
            below = [sum(value <= bound for value in values) for bound in bounds]
            assert below == [sum(point.bucket_counts[:i + 1]) for i in range(len(bounds))]
    assert compared > len(metrics["function.duration"]) / 2


def test_exceptions(receiver, exceptions, tmp_path):
    file = tmp_path / "events.jsonl"
    run([exceptions, "five_frames"], file, settings=settings(receiver, tmp_path, **ALL))
    events = in_file(file)
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    told = {}
    for event in events:
        if event["event_type"] == "exception_exit" and not event["attributes"].get("telinject.rethrown"):
            key = (event["error"]["type"], "exception")
            told[key] = told.get(key, 0) + 1
    assert told
    assert otlp_metrics.counts(metrics, "telemetry.errors", "error.type", "telinject.error.source") == told
    failed = {}
    for event in events:
        if event["event_type"] == "function_exit" and "error" in event:
            key = (event["function_name"], event["error"]["type"])
            failed[key] = failed.get(key, 0) + 1
    calls = otlp_metrics.counts(metrics, "function.calls", "code.function.name", "error.type")
    assert {key: count for key, count in calls.items() if key[1]} == failed != {}
    assert_none(otlp_metrics.function_differences(metrics, totals_in(tmp_path)))


@pytest.mark.parametrize("steps, error", [(["calls", "10", "in", "segv"], "SIGSEGV"),
                                          (["calls", "10", "status", "7"], "exit_status")])
def test_processes_that_fail(receiver, notice, steps, error, tmp_path):
    run([notice, *steps], tmp_path / "events.jsonl", settings=settings(receiver, tmp_path, **ALL))
    metrics = otlp_metrics.metrics_of(receiver.metrics)
    errors = otlp_metrics.counts(metrics, "telemetry.errors", "error.type", "telinject.error.source")
    assert errors == {(error, "process"): 1}
    by_type = otlp_metrics.counts(metrics, "function.calls", "error.type")
    assert ((error,) in by_type) == (error == "SIGSEGV")


def test_http(receiver, tmp_path):
    """A client, and a server of ours that answers 200 and 404."""
    server = build("server", [APPS / "http/server.cpp"], "gcc", ("-O1",), ("-pthread", "-lssl", "-lcrypto"))
    port, = free_ports(1)
    folders = {name: tmp_path / name for name in ("server", "curl")}

    def environment(name):
        folders[name].mkdir()
        return clean_environment() | settings(
            receiver, folders[name], TELEMETRY_FILE=str(folders[name] / "events.jsonl"),
            TELEMETRY_SUMMARY="never", SERVICE_NAME=name)
    with Server([tool("telrun"), "--", server, port], ("127.0.0.1", port), tmp_path / "server.log",
                environment("server")) as serving:
        url = f"http://127.0.0.1:{port}/"
        subprocess.run([tool("telrun"), "--", "curl", "-s", url, url + "status/404", url + "a?b"],
                       env=environment("curl"), check=True, capture_output=True)
        serving.stop()
    for name, side in (("server", "server"), ("curl", "client")):
        own = [request for request in receiver.metrics
               if otlp_metrics.resources_of([request])[0]["service.name"] == name]
        metrics = otlp_metrics.metrics_of(own)
        assert f"http.{side}.request.duration" in metrics
        assert_none(otlp_metrics.request_differences(metrics, totals_in(folders[name])))
        errors = otlp_metrics.counts(metrics, "telemetry.errors", "error.type", "telinject.error.source")
        failed = sum(row["errors"] for row in totals_in(folders[name])["http"])
        assert sum(count for (_, source), count in errors.items() if source == "http") == failed
        for key in metrics[f"http.{side}.request.duration"]:
            assert {"http.request.method", "url.scheme"} <= dict(key).keys()
            assert ("server.address" in dict(key)) == (side == "client")


def test_at_an_interval_also_while_nothing_happens(receiver, tmp_path):
    """The program waits for input while the same totals are sent again and again."""
    environment = clean_environment() | settings(receiver, tmp_path, OTEL_METRIC_EXPORT_INTERVAL="200",
                                                 TELEMETRY_FILE=str(tmp_path / "events.jsonl"))
    program = [tool("telrun"), "-q", "--", *sqlite("gcc", "-O0").command]
    with subprocess.Popen(program, env=environment, stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as process:
        process.stdin.write(b"SELECT 1;\n")
        process.stdin.flush()
        wait_for(lambda: len(receiver.metrics) >= 4, "metrics")
        process.communicate(b"SELECT 2;\n", timeout=120)
        assert process.returncode == 0
    series = []
    for request in receiver.metrics:
        metrics = otlp_metrics.metrics_of([request])
        point = next(iter(metrics["function.self_time"].values()))
        calls = sum(otlp_metrics.counts(metrics, "function.calls").values())
        series.append((point.time_unix_nano, calls, point.start_time_unix_nano))
    series.sort()
    assert len({start for _, _, start in series}) == 1
    calls = [count for _, count, _ in series]
    assert calls == sorted(calls) and calls[-1] > calls[0]
    assert_none(otlp_metrics.function_differences(otlp_metrics.metrics_of(receiver.metrics),
                                                  totals_in(tmp_path)))


def test_preload_without_telrun(receiver, notice, tmp_path):
    run([notice, "calls", "100", "status", "0"], tmp_path / "events.jsonl", "preload",
        settings=settings(receiver, tmp_path, **ALL))
    assert_none(otlp_metrics.function_differences(otlp_metrics.metrics_of(receiver.metrics),
                                                  totals_in(tmp_path)))


def test_a_recording(receiver, notice, tmp_path):
    run([notice, "calls", "50", "status", "0"], tmp_path / "none",
        settings={"TELEMETRY_RECORD": str(tmp_path / "recording")})
    began = time.time_ns()
    done = subprocess.run(
        [tool("telinject"), "convert", "-q", tmp_path / "recording"], capture_output=True, check=False,
        env=clean_environment() | settings(receiver, tmp_path, OTEL_METRIC_EXPORT_INTERVAL="1",
                                           TELEMETRY_FILE=str(tmp_path / "events.jsonl")))
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(receiver.metrics) == 1
    assert_none(otlp_metrics.function_differences(otlp_metrics.metrics_of(receiver.metrics),
                                                  totals_in(tmp_path)))
    events = in_file(tmp_path / "events.jsonl")
    point = next(iter(otlp_metrics.metrics_of(receiver.metrics)["function.self_time"].values()))
    assert point.start_time_unix_nano <= events[0]["timestamp_ns"]
    assert events[0]["timestamp_ns"] < point.time_unix_nano < began  # not when they are converted


def test_the_resource_is_the_sessions(receiver, notice, tmp_path):
    run([notice, "calls", "5", "status", "0"], tmp_path / "events.jsonl", settings=settings(
        receiver, tmp_path, SERVICE_NAME="shop", OTEL_RESOURCE_ATTRIBUTES="team=red"))
    resource, = {json.dumps(each, sort_keys=True) for each in otlp_metrics.resources_of(receiver.metrics)}
    resource = json.loads(resource)
    assert (resource["service.name"], resource["team"]) == ("shop", "red")
    assert not any(name.startswith("process.") for name in resource)
    instances = {span["resource"]["service.instance.id"]
                 for span in otlp.spans_of(receiver.traces).values()}
    assert instances == {resource["service.instance.id"]}


@pytest.mark.parametrize("asked_for", [False, True])
def test_a_receiver_that_takes_no_metrics(notice, asked_for, tmp_path):
    """Jaeger is one. Unless metrics were asked for, that is worth no line."""
    with OtlpReceiver(paths=("/v1/traces", "/v1/logs")) as receiver:
        more = {"OTEL_METRICS_EXPORTER": "otlp"} if asked_for else {}
        result = run([notice, "calls", "5", "status", "0"], tmp_path / "events.jsonl",
                     settings=settings(receiver, tmp_path, **ALL, **more, TELEMETRY_SUMMARY="always"))
        assert (b"404" in result.stderr) == asked_for
        assert (b"sending stops" in result.stderr) == asked_for
        assert (b"the receiver takes no metrics" in result.stderr) == (not asked_for)
        assert result.status == 0
        assert len(otlp.spans_of(receiver.traces)) >= 5


def test_switched_off(receiver, notice, tmp_path):
    result = run([notice, "calls", "5", "status", "0"], tmp_path / "events.jsonl",
                 settings=settings(receiver, tmp_path, OTEL_METRICS_EXPORTER="none"))
    assert result.stderr == b""
    assert not receiver.metrics and receiver.traces


def test_an_endpoint_and_headers_of_their_own(receiver, notice, tmp_path):
    with OtlpReceiver() as other:
        run([notice, "calls", "5", "status", "0"], tmp_path / "events.jsonl", settings=settings(
            receiver, tmp_path, OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=other.url + "/v1/metrics",
            OTEL_EXPORTER_OTLP_METRICS_HEADERS="x-key=7", OTEL_EXPORTER_OTLP_METRICS_PROTOCOL="http/json"))
        assert not receiver.metrics and receiver.traces
        assert other.metrics and not other.traces
        assert {headers["x-key"] for headers in other.headers} == {"7"}
        assert {headers["content-type"] for headers in other.headers} == {"application/json"}


def test_what_was_not_taken_is_sent_later(notice, tmp_path):
    with refusing() as port:
        run([notice, "calls", "20", "status", "0"], tmp_path / "events.jsonl", settings={
            "TELEMETRY_OUTPUT": "file,otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "TELEMETRY_TOTALS_FILE": str(tmp_path / "totals.json"), "TELEMETRY_EXIT_WAIT": "1000",
            "TELEMETRY_SPOOL_DIR": str(tmp_path)})
    left = list(tmp_path.glob("*.telleft"))
    with OtlpReceiver() as receiver:
        done = subprocess.run([tool("telinject"), "convert", "-q", "--output=otlp", *left],
                              env=clean_environment() | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
                              capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert_none(otlp_metrics.function_differences(otlp_metrics.metrics_of(receiver.metrics),
                                                      totals_in(tmp_path)))
