"""OTLP: each span says what the v3 events of the same run say, as a decoder that is not ours reads it."""

import json
import subprocess
import time

import pytest
from exporting import in_file
from otlp_runs import ALL, SQL, assert_none, exceptions, notice, receiver  # noqa: F401
from teltest import otlp
from teltest.otlp_receiver import OtlpReceiver
from teltest.programs import sqlite
from teltest.recording_server import make_certificate
from teltest.run import APPS, build, clean_environment, run, tool
from teltest.web.processes import Server, free_ports, refusing


def settings(receiver, **more):
    return {"TELEMETRY_OUTPUT": "file,otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} | more


def assert_same(events, requests):
    assert_none(otlp.differences(events, requests))


@pytest.mark.parametrize("mode", ["telrun", "preload"])
@pytest.mark.parametrize("how", ["http/protobuf gzip", "http/protobuf zstd", "http/protobuf none",
                                 "http/json gzip", "http/json none"])
def test_calls(receiver, notice, how, mode, tmp_path):
    protocol, compression = how.split()
    file = tmp_path / "events.jsonl"
    result = run([notice, "calls", "100", "status", "7"], file, mode,
                 settings(receiver, **ALL, OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                          OTEL_EXPORTER_OTLP_COMPRESSION=compression))
    assert (result.status, result.stderr) == (7, b"")
    kind = "application/json" if protocol == "http/json" else "application/x-protobuf"
    assert {headers["content-type"] for headers in receiver.headers} == {kind}
    assert {headers.get("content-encoding", "none") for headers in receiver.headers} == {compression}
    events = in_file(file)
    assert len(events) >= 200
    assert_same(events, receiver.traces)


def test_sqlite(receiver, tmp_path):
    file = tmp_path / "events.jsonl"
    run(sqlite("gcc", "-O0").command, file, settings=settings(receiver, **ALL), stdin=SQL)
    events = in_file(file)
    assert len(events) > 5000
    assert_same(events, receiver.traces)
    spans = otlp.spans_of(receiver.traces).values()
    names = {name for span in spans for name in (*span["attributes"], *span["resource"])}
    assert not otlp.unknown_names(names)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("case", ["five_frames", "nested", "in_a_thread", "uncaught"])
def test_exceptions(receiver, case, compiler, tmp_path):
    program = build("exceptions", [APPS / "errors/exceptions.cpp"], compiler, ("-O0", "-pthread"),
                    ("-pthread", "-ldl"))
    file = tmp_path / "events.jsonl"
    run([program, case], file, settings=settings(receiver, **ALL))
    events = in_file(file)
    assert any(event["event_type"] == "exception_exit" for event in events)
    assert_same(events, receiver.traces)


def test_exceptions_as_log_records(receiver, tmp_path):
    program = build("exceptions", [APPS / "errors/exceptions.cpp"], "gcc", ("-O0", "-pthread"),
                    ("-pthread", "-ldl"))
    file = tmp_path / "events.jsonl"
    run([program, "five_frames"], file,
        settings=settings(receiver, **ALL, OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN="logs"))
    told = [event for event in in_file(file) if event["event_type"] == "exception_exit"]
    records = [record for request in receiver.logs for resource in request.resource_logs
               for scope in resource.scope_logs for record in scope.log_records]
    assert [record.span_id.hex() for record in records] == [event["span_id"] for event in told] != []
    assert {record.event_name for record in records} == {"exception"}
    assert otlp.as_dict(records[0].attributes)["exception.type"] == told[0]["error"]["type"]
    assert not any(span["exceptions"] for span in otlp.spans_of(receiver.traces).values())


def test_every_event_as_a_log_record(receiver, notice, tmp_path):
    file = tmp_path / "events.jsonl"
    run([notice, "calls", "20", "status", "0"], file,
        settings=settings(receiver, OTEL_LOGS_EXPORTER="otlp", OTEL_TRACES_EXPORTER="none"))
    events = in_file(file)
    assert not receiver.traces
    records = {otlp.as_dict(record.attributes)["telinject.sequence"]: record for request in receiver.logs
               for resource in request.resource_logs for scope in resource.scope_logs
               for record in scope.log_records}
    assert len(records) == len(events) >= 40
    for event in events:
        record = records[event["sequence"]]
        assert record.event_name == "telinject." + event["event_type"]
        assert record.body.string_value == event["message"]
        assert record.time_unix_nano == event["timestamp_ns"]
        assert record.span_id.hex() == event["span_id"] and record.trace_id.hex() == event["trace_id"]
        assert record.severity_text == event["severity"]


def test_a_crash(receiver, notice, tmp_path):
    file = tmp_path / "events.jsonl"
    run([notice, "calls", "10", "in", "segv"], file, settings=settings(receiver, **ALL))
    events = in_file(file)
    assert any(event.get("error", {}).get("type") == "SIGSEGV" for event in events)
    assert_same(events, receiver.traces)


def test_http_client_nginx_and_server(receiver, tmp_path):
    """curl asks nginx, which asks a server of ours: three processes, one trace."""
    server = build("server", [APPS / "http/server.cpp"], "gcc", ("-O1",), ("-pthread", "-lssl", "-lcrypto"))
    behind, front = free_ports(2)
    config = tmp_path / "nginx.conf"
    config.write_text(f"""daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}
http {{ access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path};
fastcgi_temp_path {tmp_path}; uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass http://127.0.0.1:{behind}; }} }} }}""")
    files = {name: tmp_path / f"{name}.jsonl" for name in ("server", "nginx", "curl")}

    def environment(name):
        return clean_environment() | settings(receiver, **ALL, TELEMETRY_FILE=str(files[name]),
                                              TELEMETRY_SUMMARY="never", SERVICE_NAME=name)
    with Server([tool("telrun"), "--", server, behind], ("127.0.0.1", behind), tmp_path / "server.log",
                environment("server")) as serving:
        nginx = ["nginx", "-c", config, "-e", tmp_path / "error.log"]
        with Server([tool("telrun"), "--", *nginx], ("127.0.0.1", front), tmp_path / "nginx.log",
                    environment("nginx")) as proxying:
            run(["curl", "-s", "-d", "body", f"http://127.0.0.1:{front}/a?b=c"], files["curl"],
                settings=settings(receiver, **ALL, SERVICE_NAME="curl"))
            subprocess.run([*nginx, "-s", "quit"], check=True, capture_output=True)
            assert proxying.process.wait(timeout=60) == 0
        serving.stop()
    events = [event for file in files.values() for event in in_file(file)]
    assert_same(events, receiver.traces)
    spans = otlp.spans_of(receiver.traces)
    asked = [span for span in spans.values() if span["resource"]["service.name"] == "curl"]
    chain = [span for span in spans.values() if span["trace"] == asked[0]["trace"]]
    assert {span["resource"]["service.name"] for span in chain} == {"curl", "nginx", "server"}
    assert {span["scope"] for span in chain} >= {"telinject.http"}


def test_a_recording(receiver, notice, tmp_path):
    run([notice, "calls", "50", "status", "0"], tmp_path / "none", settings={
        "TELEMETRY_RECORD": str(tmp_path / "recording"), "OTEL_RESOURCE_ATTRIBUTES": "team=red"})
    file = tmp_path / "events.jsonl"
    done = subprocess.run([tool("telinject"), "convert", "-q", tmp_path / "recording"],
                          env=clean_environment() | settings(receiver, **ALL, TELEMETRY_FILE=str(file)),
                          capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert_same(in_file(file), receiver.traces)
    assert {span["resource"].get("team") for span in otlp.spans_of(receiver.traces).values()} == {"red"}


def test_the_budget(receiver, tmp_path):
    """What is sent hangs together, and every call is accounted for."""
    file = tmp_path / "events.jsonl"
    run(sqlite("gcc", "-O0").command, file, stdin=SQL,
        settings=settings(receiver, TELEMETRY_OTLP_TRACE_SPANS="500"))
    expected, sent = otlp.expected_spans(in_file(file)), otlp.spans_of(receiver.traces)
    traces = {}
    for span in sent.values():
        traces[span["trace"]] = traces.get(span["trace"], 0) + 1
    assert max(traces.values()) <= 501
    assert all(span["parent"] in sent for span in sent.values() if span["parent"])
    left_out = sum(span["attributes"].get("telinject.left_out.calls", 0) for span in sent.values())
    assert left_out > 0
    assert len(sent) + left_out == len(expected)
    # None that was left out is much longer than one that was sent for its length alone.
    longest = max(span["end"] - span["start"] for name, span in expected.items() if name not in sent)
    median = sorted(span["end"] - span["start"] for span in sent.values())[len(sent) // 2]
    assert longest <= median * 10


def test_only_our_own_sampling_is_told(receiver, notice, tmp_path):
    for traceparent in (None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        for _ in range(20):
            run([notice, "calls", "1", "status", "0"], tmp_path / "events.jsonl",
                settings=settings(receiver, **ALL, SAMPLE_RATE="0.5"),
                environment={"TRACEPARENT": traceparent} if traceparent else None)
    states = {}
    for span in otlp.spans_of(receiver.traces).values():
        states.setdefault(span["trace"] == "0af7651916cd43dd8448eb211c80319c", set()).add(span["state"])
        if span["state"]:
            assert int(span["trace"][-14:], 16) >= 1 << 55
    assert states == {False: {"ot=th:8"}, True: {""}}


def test_secrets_of_headers_are_sent_and_told_nowhere(receiver, notice, tmp_path):
    secret = "hunter2hunter2"
    result = run([notice, "calls", "3", "status", "0"], tmp_path / "events.jsonl", settings=settings(
        receiver, OTEL_EXPORTER_OTLP_HEADERS=f"api-key={secret},bad={secret}%zz",
        TELEMETRY_SUMMARY="always"))
    assert {headers.get("api-key") for headers in receiver.headers} == {secret}
    assert secret.encode() not in result.stderr
    assert b"OTEL_EXPORTER_OTLP_HEADERS: the value of header bad is not percent-encoded" in result.stderr
    assert secret.encode() not in (tmp_path / "events.jsonl").read_bytes()


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_certificates(notice, mode, tmp_path):
    """Paths are relative to the program's directory; the receiver wants a certificate of ours, too."""
    certificate, key = make_certificate(tmp_path)
    file = tmp_path / "events.jsonl"
    with OtlpReceiver(certificate=(certificate, key), client_authority=certificate) as receiver:
        result = run([notice, "calls", "10", "status", "0"], file, mode, cwd=tmp_path, settings=settings(
            receiver, **ALL, OTEL_EXPORTER_OTLP_CERTIFICATE=certificate.name,
            OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=certificate.name, OTEL_EXPORTER_OTLP_CLIENT_KEY=key.name))
        assert (result.status, result.stderr) == (0, b"")
        assert_same(in_file(file), receiver.traces)


def test_a_certificate_that_is_not_trusted(notice, tmp_path):
    with OtlpReceiver(certificate=make_certificate(tmp_path)) as receiver:
        result = run([notice, "calls", "10", "status", "7"], tmp_path / "events.jsonl", settings=settings(
            receiver, **ALL, TELEMETRY_EXIT_WAIT="2000", TELEMETRY_SPOOL_DIR=str(tmp_path),
            TELEMETRY_SUMMARY="always"))
        assert result.status == 7
        assert b"certificate" in result.stderr or b"not OK" in result.stderr
        assert b"otlp traces https://" in result.stderr
        assert not receiver.requests


def test_an_endpoint_that_is_busy_gets_all_later(notice, tmp_path):
    with OtlpReceiver(answers=[503, 429, 503]) as receiver:
        file = tmp_path / "events.jsonl"
        run([notice, "calls", "100", "status", "0"], file, settings=settings(receiver, **ALL))
        assert_same(in_file(file), receiver.traces)


def test_a_dead_endpoint_harms_nothing(notice, tmp_path):
    start = time.monotonic()
    with refusing() as port:
        result = run([notice, "calls", "100", "status", "7"], tmp_path / "events.jsonl", settings={
            "TELEMETRY_OUTPUT": "file,otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "TELEMETRY_EXIT_WAIT": "2000", "TELEMETRY_SPOOL_DIR": str(tmp_path)} | ALL)
    assert result.status == 7
    assert time.monotonic() - start < 30
    left = list(tmp_path.glob("*.telleft"))  # of spans, and of metrics
    events = in_file(tmp_path / "events.jsonl")
    with OtlpReceiver() as receiver:
        done = subprocess.run([tool("telinject"), "convert", "-q", "--output=otlp", *left],
                              env=clean_environment() | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
                              capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert_same(events, receiver.traces)


def test_convert_fails_if_nothing_is_accepted(notice, tmp_path):
    run([notice, "calls", "10", "status", "0"], tmp_path / "none",
        settings={"TELEMETRY_RECORD": str(tmp_path / "recording")})
    port, = free_ports(1)
    done = subprocess.run([tool("telinject"), "convert", "-q", "--output=otlp", tmp_path / "recording"],
                          env=clean_environment() | {
                              "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                              "OTEL_METRICS_EXPORTER": "none",
                              "OTEL_EXPORTER_OTLP_TIMEOUT": "100", "TELEMETRY_EXIT_WAIT": "100",
                              "TELEMETRY_SPOOL_DIR": str(tmp_path)},
                          capture_output=True, check=False)
    left, = tmp_path.glob("*.telleft")
    assert done.returncode == 1
    assert done.stderr.endswith(b"telinject convert --output=otlp " + bytes(left) + b"\n")


@pytest.mark.parametrize("output", ["file", "http"])
def test_what_is_left_goes_nowhere_else(notice, tmp_path, output):
    told = set()
    with refusing() as port:
        run([notice, "calls", "10", "status", "0"], tmp_path / "events.jsonl", settings={
            "TELEMETRY_OUTPUT": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "TELEMETRY_EXIT_WAIT": "500", "TELEMETRY_SPOOL_DIR": str(tmp_path)})
        for left in tmp_path.glob("*.telleft"):
            done = subprocess.run([tool("telinject"), "convert", f"--output={output}", left],
                                  env=clean_environment() | {"TELEMETRY_FILE": str(tmp_path / "other"),
                                                             "RECEIVER_URL": f"http://127.0.0.1:{port}"},
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 1
            told.add(done.stderr.replace(str(left), "FILE"))
    assert told == {f"telinject: FILE: has {what} for --output=otlp; this sends them: "
                    "telinject convert --output=otlp FILE\n" for what in ("spans", "metrics")}
