"""HTTPS by way of OpenSSL's BIO_f_ssl, whose plain text never passes SSL_read or SSL_write of the program."""

import subprocess

import pytest
from http_clients import clients  # noqa: F401
from teltest.proc import wait_for
from teltest.run import APPS, build, clean_environment, run, tool
from teltest.web.exchanges import Exchanges
from teltest.web.processes import free_ports


@pytest.fixture(name="program", params=[("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O0"), ("clang", "-O2")],
                ids=" ".join)
def built_program(request):
    compiler, level = request.param
    return build("bio", [APPS / "http/bio.c"], compiler, (level, "-Wall", "-Wextra", "-Werror"),
                 ("-lssl", "-lcrypto"), instrument=False)


def seen(path):
    found = Exchanges(path)
    assert not found.problems and not found.orphans and not found.losses and not found.opaque
    return [(each.role, *each.key(), each.response["http"]["response"]["body_bytes"]) for each in found.all]


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_client(clients, program, tmp_path, mode):  # noqa: F811
    command = [program, "client", f"localhost:{clients.secure.port}", clients.certificate]
    alone = subprocess.run(command, capture_output=True, env=clean_environment(), check=True)
    asked = clients.secure.taken()
    result = run(command, tmp_path / "events.jsonl", mode)
    assert (result.status, result.stdout, result.stderr) == (0, alone.stdout, b"")
    assert clients.secure.taken() == asked and len(asked) == 3
    assert seen(tmp_path / "events.jsonl") == [
        ("client", "GET", "/one", 200, 6), ("client", "POST", "/two", 200, 10),
        ("client", "GET", "/three", 200, 6)]


def test_server(clients, program, tmp_path):  # noqa: F811
    path = tmp_path / "events.jsonl"
    port, = free_ports(1)
    environment = clean_environment() | {"TELEMETRY_FILE": str(path), "TELEMETRY_OUTPUT": "file",
                                         "TELEMETRY_SUMMARY": "never"}
    command = [tool("telrun"), "--", program, "server", f"127.0.0.1:{port}", clients.certificate,
               clients.certificate.with_name("key.pem")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"ready\n"
        for name in "ab":
            asked = subprocess.run(["curl", "-q", "-sS", "--cacert", clients.certificate,
                                    f"https://localhost:{port}/{name}"], capture_output=True, timeout=60)
            assert (asked.stdout, asked.stderr) == (b"ok\n", b"")
        out, _ = server.communicate(timeout=60)
    assert (server.returncode, out) == (0, b"GET /a HTTP/1.1\nGET /b HTTP/1.1\n")
    wait_for(lambda: path.exists() and len(seen(path)) == 2, "both exchanges")
    assert seen(path) == [("server", "GET", "/a", 200, 3), ("server", "GET", "/b", 200, 3)]


def test_both_sides_over_memory(clients, program, tmp_path):  # noqa: F811
    """The BIOs stay when they get other SSL objects."""
    command = [program, "pair", clients.certificate, clients.certificate.with_name("key.pem")]
    result = run(command, tmp_path / "events.jsonl")
    assert (result.status, result.stderr) == (0, b"")
    assert result.stdout == (b"GET /first HTTP/1.1\nHTTP/1.1 200 OK\n"
                             b"GET /second HTTP/1.1\nHTTP/1.1 200 OK\n")
    assert sorted(seen(tmp_path / "events.jsonl")) == [
        (role, "GET", path, 200, 3) for role in ("client", "server") for path in ("/first", "/second")]
