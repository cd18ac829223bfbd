"""How the case tests run: which go to one worker, which start first, and what is told at the end.

A skipped test is not a passed one: with --no-skips, as scripts/test has it, the run then fails.
"""

import json
import subprocess
import zlib

import pytest
from teltest import schema
from teltest.run import tool


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="fail if any test was skipped")
    parser.addoption("--quick", action="store_true",
                     help="each test that is not long, with one of its variants, always the same; those "
                          "marked all_variants with all")
    parser.addoption("--all-emitted", action="store_true",
                     help="fail if an event or attribute that is registered was emitted in no case")


def _shares_a_fixture(item):
    """With others of its module: made once if one worker runs them all."""
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return any(fixture.scope == "module" for each in fixtures for fixture in each)


def _is_long(item):
    return item.get_closest_marker("long") is not None


def _one_of_each(items):
    """Which one, the test's name decides: so all compilers, levels and ways are met somewhere."""
    variants = {}
    for item in items:
        if not _is_long(item):
            own = item.name if item.get_closest_marker("all_variants") else ""
            variants.setdefault((item.path.name, item.originalname, own), []).append(item)
    return [each[zlib.crc32(name.encode()) % len(each)] for (_, name, _), each in variants.items()]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if config.getoption("--quick"):
        items[:] = _one_of_each(items)
    for item in items:
        if _shares_a_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    # What takes longest must not begin last. (Groups are in front of all anyway.)
    items.sort(key=lambda item: not _is_long(item))


def _skipped(config):
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    return [report for kind in ("skipped", "xfailed") for report in stats.get(kind, [])]


def _reason(report):
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr


# What the events of the cases had, as teltest.schema notes it. (Tests of the helpers make events up.)
EMITTED = set()
# Whether these are emitted, the kernel's settings and the load decide.
NOT_EVERYWHERE = {"attributes/telinject.preempted_ns", "attributes/telinject.not_running_ns"}


def pytest_runtest_teardown(item):
    if "cases" in item.path.parts:
        EMITTED.update(name for name in schema.SEEN if isinstance(name, str))
    schema.SEEN.clear()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    EMITTED.update(getattr(node, "workeroutput", {}).get("emitted", ()))


def _emitted(name):
    beginning = name.removesuffix("*")
    return any(each.startswith(beginning) for each in EMITTED) if beginning != name else name in EMITTED


def _not_as_registered():
    """What is registered and no case emitted, and the reverse, of what says that it is not emitted yet."""
    registry = json.loads(subprocess.run([tool("telinject"), "schema", "--json"], capture_output=True,
                                         check=True).stdout)
    rows = [("event_type/" + event["event_type"], event["reserved"]) for event in registry["events"]]
    rows += [(("attributes/" if row["place"] == "attributes" else "") + row["v3"], row["reserved"])
             for row in registry["attributes"] if row["v3"]]
    return [name for name, reserved in rows if _emitted(name) == reserved and name not in NOT_EVERYWHERE]


def pytest_sessionfinish(session, exitstatus):
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["emitted"] = sorted(EMITTED)
        return
    if exitstatus != 0:
        return
    if session.config.getoption("--no-skips") and _skipped(session.config):
        session.exitstatus = 1
    if session.config.getoption("--all-emitted") and _not_as_registered():
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    figures = [(report.nodeid, text) for report in terminalreporter.getreports("passed")
               for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for test, text in sorted(figures):
            terminalreporter.line(f"{test.split('::')[-1]}: {text}")
    skipped = _skipped(config)
    if skipped and config.getoption("--no-skips"):
        terminalreporter.section("skipped, so not passed")
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {_reason(report)}")
    if config.getoption("--all-emitted"):
        terminalreporter.section("registered, but not emitted; or emitted, though reserved")
        terminalreporter.line(", ".join(_not_as_registered()) or "none")
