"""A skipped test is not a passed one: with --no-skips, as scripts/test has it, the run then fails."""


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="fail if any test was skipped")


def _skipped(config):
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    return [report for kind in ("skipped", "xfailed") for report in stats.get(kind, [])]


def _reason(report):
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr


def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and session.config.getoption("--no-skips") and _skipped(session.config):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter, config):
    skipped = _skipped(config)
    if skipped and config.getoption("--no-skips"):
        terminalreporter.section("skipped, so not passed")
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {_reason(report)}")
