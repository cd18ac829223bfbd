"""How the case tests run: which go to one worker, which start first, and what is told at the end.

A skipped test is not a passed one: with --no-skips, as scripts/test has it, the run then fails.
"""

import zlib

import pytest


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="fail if any test was skipped")
    parser.addoption("--quick", action="store_true",
                     help="each test that is not long, with one of its variants, always the same")


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
            variants.setdefault((item.path.name, item.originalname), []).append(item)
    return [each[zlib.crc32(name.encode()) % len(each)] for (_, name), each in variants.items()]


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


def pytest_sessionfinish(session, exitstatus):
    is_worker = hasattr(session.config, "workerinput")
    if is_worker or exitstatus != 0 or not session.config.getoption("--no-skips"):
        return
    if _skipped(session.config):
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
