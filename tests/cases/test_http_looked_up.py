"""HTTP by functions that a program has not been linked with: looked up by handles, bound by RTLD_DEEPBIND."""

import subprocess

import pytest
from http_clients import clients  # noqa: F401
from teltest.run import APPS, build, clean_environment, run
from teltest.web.exchanges import Exchanges

KINDS = [("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O0"), ("clang", "-O2")]
WARNINGS = ("-Wall", "-Wextra", "-Werror")


def seen(path):
    found = Exchanges(path)
    assert not found.problems and not found.orphans and not found.losses and not found.opaque
    assert all(each.role == "client" for each in found.all)
    return [(*each.key(), each.response["http"]["response"]["body_bytes"]) for each in found.all]


def same(command, path, mode, **more):
    alone = subprocess.run(command, capture_output=True, env=clean_environment(), check=True, timeout=60)
    result = run(command, path, mode, **more)
    assert (result.status, result.stdout, result.stderr) == (0, alone.stdout, alone.stderr)
    return seen(path)


@pytest.mark.parametrize("mode", ["telrun", "preload"])
@pytest.mark.parametrize("compiler, level", KINDS)
def test_looked_up_by_a_handle(clients, tmp_path, compiler, level, mode):  # noqa: F811
    program = build("looked_up", [APPS / "http/looked_up.c"], compiler, (level, *WARNINGS), instrument=False)
    command = [program, "symbols", str(clients.plain.port), str(clients.secure.port), clients.certificate]
    assert same(command, tmp_path / "events.jsonl", mode) == [("GET", "/plain", 200, 6),
                                                              ("GET", "/secure", 200, 6)]


def deep_command(clients, compiler, level, flags, link):  # noqa: F811
    program = build("deep", [APPS / "http/looked_up.c"], compiler, (level, f"-DFLAGS={flags}", *WARNINGS),
                    instrument=False)
    library = build("libdeep.so", [APPS / "http/deep.c"], compiler, (level, "-fPIC", *WARNINGS),
                    ("-shared", link, "-lcurl"), instrument=False)
    return [program, "deep", library, str(clients.plain.port)]


@pytest.mark.parametrize("flags", ["RTLD_NOW", "RTLD_LAZY", "RTLD_LAZY|RTLD_GLOBAL"])
@pytest.mark.parametrize("link", ["-Wl,-z,lazy", "-Wl,-z,now,-z,relro"])
@pytest.mark.parametrize("compiler, level", KINDS)
def test_deeply_bound(clients, tmp_path, compiler, level, flags, link):  # noqa: F811
    """Whether its references are bound when it is opened, or at the first call; in memory that is read-only
    by then, or not. libcurl adds its traceparent."""
    command = deep_command(clients, compiler, level, flags, link)
    assert same(command, tmp_path / "events.jsonl", "telrun") == [("GET", "/socket", 200, 6),
                                                                 ("GET", "/curl", 200, 6)]
    asked = {request.line: request for request in clients.plain.taken() if request.values("traceparent")}
    assert set(asked) == {"GET /curl HTTP/1.1"}


def test_not_captured(clients, tmp_path):  # noqa: F811
    command = deep_command(clients, "gcc", "-O2", "RTLD_NOW", "-Wl,-z,now")
    assert same(command, tmp_path / "events.jsonl", "telrun", settings={"TELEMETRY_HTTP": "false"}) == []
