"""HTTP on sockets that a process has not opened itself: sent to it, taken by it, left to it by exec."""

from collections import Counter

import pytest
from teltest.run import APPS, build, run
from teltest.web.exchanges import Exchanges

PATHS = ("/passed", "/passed-by-datagram", "/passed-with-others", "/taken", "/taken-by-number", "/executed",
         "/begun", "/next")


@pytest.fixture(name="program", params=[("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O0"), ("clang", "-O2")],
                ids=" ".join)
def built_program(request):
    compiler, level = request.param
    return build("passed", [APPS / "http/passed.c"], compiler, (level, "-Wall", "-Wextra", "-Werror"),
                 instrument=False)


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_every_exchange_on_either_side(program, tmp_path, mode):
    result = run([program], tmp_path / "events.jsonl", mode, {"TELEMETRY_ON_FULL": "block"})
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")
    found = Exchanges(tmp_path / "events.jsonl")
    assert not found.problems and not found.orphans and not found.losses
    assert Counter((each.path, each.role) for each in found.all) == {
        (path, role): 1 for path in PATHS for role in ("client", "server")}
    for each in found.all:
        response = each.response
        # The program that has read the request executes another, which answers.
        cut = (each.path, each.role) == ("/begun", "server")
        assert (each.status, response["attributes"].get("telinject.http.end")) == (
            (None, "exec") if cut else (200, None)), each
        assert response["http"]["response"]["body_bytes"] == (0 if cut else 4)
        assert cut or response["attributes"]["telinject.http.first_byte_ns"] > 0, each
