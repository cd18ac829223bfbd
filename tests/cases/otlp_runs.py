"""What the tests of OTLP's spans and metrics run, and where they send it."""

import pytest
from teltest.otlp_receiver import OtlpReceiver
from teltest.run import APPS, build

ALL = {"TELEMETRY_OTLP_TRACE_SPANS": "0", "TELEMETRY_OTLP_SPAN_RATE": "0"}
SQL = b"CREATE TABLE t(a); INSERT INTO t VALUES(1),(2),(3); SELECT sum(a) FROM t;\n"


def assert_none(differences):
    assert not differences, "\n".join(differences[:10]) + f"\n{len(differences)} differences"


@pytest.fixture
def receiver():
    with OtlpReceiver() as made:
        yield made


@pytest.fixture(scope="module")
def notice():
    return build("notice", [APPS / "notice.c"], "gcc", ("-O0", "-pthread"), ("-pthread",))


@pytest.fixture(scope="module")
def exceptions():
    return build("exceptions", [APPS / "errors/exceptions.cpp"], "gcc", ("-O0", "-pthread"),
                 ("-pthread", "-ldl"))
