"""telrun's command line: options, help, settings; the ways in which telrun is telinject."""

import os
import re
import shutil
import subprocess

import pytest
from telrun_pair import PYTHON, TIMEOUT

SHOW = ["sh", "-c", "env; echo pid=$$"]


def variables(outcome):
    assert outcome.status == 0, outcome.err
    return dict(line.split("=", 1) for line in outcome.out.decode().splitlines() if "=" in line)


def telinject(build, *arguments):
    return subprocess.run([build / "bin/telinject", *arguments], capture_output=True, text=True,
                          timeout=TIMEOUT)


@pytest.mark.parametrize("options, name, value", [
    (["-s", "shop"], "SERVICE_NAME", "shop"),
    (["--service=shop"], "SERVICE_NAME", "shop"),
    (["--service-version", "1.2"], "SERVICE_VERSION", "1.2"),
    (["-e", "prod"], "ENVIRONMENT", "prod"),
    (["-r0.5"], "SAMPLE_RATE", "0.5"),
    (["-o", "other.jsonl"], "TELEMETRY_FILE", "other.jsonl"),
    (["-O", "file"], "TELEMETRY_OUTPUT", "file"),
    (["--on-full=block"], "TELEMETRY_ON_FULL", "block"),
    (["--threads=root"], "TELEMETRY_THREADS", "root"),
    (["-q"], "TELEMETRY_SUMMARY", "never"),
    (["--quiet"], "TELEMETRY_SUMMARY", "never"),
    (["--summary", "-q"], "TELEMETRY_SUMMARY", "never"),
    (["-q", "-s", "x", "--"], "SERVICE_NAME", "x"),
])
def test_option_sets_the_variable(pair, tmp_path, options, name, value):
    outcome = pair.run(SHOW, options=options, cwd=tmp_path)
    assert outcome.err == b""
    assert variables(outcome)[name] == value


def test_summary_option(pair):
    assert variables(pair.run(SHOW, options=["--summary"]))["TELEMETRY_SUMMARY"] == "always"


def test_options_behind_the_program_are_the_programs(pair):
    assert pair.run(["echo", "-q", "--help", "--", "-V"]).out == b"-q --help -- -V\n"
    assert pair.run(["echo", "-n"], options=["--"]).out == b""


def test_settings_come_with_no_option(pair):
    added = variables(pair.run(SHOW)).keys() - variables(pair.run(SHOW, traced=False)).keys()
    assert added == {"LD_PRELOAD", "TELINJECT_SESSION"}


@pytest.mark.parametrize("arguments, complaint", [
    ([], "no program"),
    (["--"], "no program"),
    (["-q"], "no program"),
    (["-Z", "true"], "-Z"),
    (["--no-such-option", "true"], "--no-such-option"),
    (["--quiet=yes", "true"], "--quiet"),
    (["-s"], "-s"),
    (["--service"], "--service"),
])
def test_bad_usage(pair, arguments, complaint):
    status, out, err = pair.run(arguments)
    assert (status, out) == (125, b"")
    assert err.startswith(b"telrun: ") and err.count(b"\n") == 1
    assert complaint in err.decode() and "telrun --help" in err.decode()


def test_help_and_version(pair, build):
    for option in ("-h", "--help"):
        status, out, err = pair.run([option])
        assert (status, err) == (0, b"")
        assert out.startswith(b"Usage: telrun")
    text = out.decode()
    for word in ("-s, --service=NAME", "SERVICE_NAME", "-D, --detach-in-place", "125", "127"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100
    assert telinject(build, "help", "run").stdout == text
    for option in ("-V", "--version"):
        assert re.fullmatch(rb"telinject \d+\.\d+\.\d+\n", pair.run([option]).out)
    assert telinject(build, "version").stdout == telinject(build, "--version").stdout


def test_help_to_a_full_disk_fails(build):
    with open("/dev/full", "w") as full:
        result = subprocess.run([build / "bin/telrun", "--help"], stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 125 and result.stderr.count(b"\n") == 1


def test_settings_are_listed(build):
    text = telinject(build, "help", "settings").stdout
    table = telinject(build, "help", "settings", "--markdown").stdout
    names = re.findall(r"^\| `([A-Z_]+)`", table, flags=re.M)
    assert {"DEBUG", "SERVICE_NAME", "SAMPLE_RATE", "TELEMETRY_FILE"} <= set(names)
    for name in names:
        assert re.search(rf"^  {name}\b", text, flags=re.M)
    assert all(line.count("|") == 6 for line in table.splitlines())


def test_unknown_help_and_no_command(build):
    for arguments in (["help", "nonsense"], []):
        result = telinject(build, *arguments)
        assert result.returncode == 125 and result.stderr.count("\n") == 1


@pytest.mark.parametrize("setting, value, line", [
    ("SAMPLE_RATE", "banana", "telrun: SAMPLE_RATE=banana is not a number from 0 to 1; using 1.0\n"),
    ("TELEMETRY_ON_FULL", "perhaps",
     "telrun: TELEMETRY_ON_FULL=perhaps is not one of drop, block; using drop\n"),
    ("SAMPLE_RATE", "a\n\x1b[31mb", "telrun: SAMPLE_RATE=a\\n\\x1b[31mb is not a number from 0 to 1; "
                                    "using 1.0\n"),
])
def test_a_value_without_sense_costs_one_line(pair, setting, value, line):
    environment = dict(pair.environment, **{setting: value})
    assert pair.run(["echo", "ran"], env=environment) == (0, b"ran\n", line.encode())


@pytest.mark.parametrize("words, line", [
    (["-r", "banana"], "-r: banana is not a number from 0 to 1"),
    (["--sample-rate=2"], "--sample-rate: 2 is not a number from 0 to 1"),
    (["--detail", "fat"], "--detail: fat is not one of full, lean"),
    (["--max-depth=-1"], "--max-depth: -1 is not a whole number in 0..1000000000"),
    (["--min-duration=soon"], "--min-duration: soon is not a time such as 10us, 1.5ms, 2s"),
    (["--output=file,paper"], "--output: file,paper is not one or several, separated by commas, of stderr, "
                              "file, http, otlp"),
    (["--tail-sampling=slow"], "--tail-sampling: slow is not a list such as "
                               "errors,slow=250ms,slow=p99,rate=0.01 (docs/sampling.md)"),
    (["-r", "a\n\x1b[31mb"], "-r: a\\n\\x1b[31mb is not a number from 0 to 1"),
])
def test_an_option_without_sense_stops_telrun(pair, words, line):
    outcome = pair.run(["echo", "ran"], options=words)
    assert outcome == (125, b"", f"telrun: {line}; try telrun --help\n".encode())


def test_an_empty_value_is_as_good_as_none(pair):
    for words in (["-r", ""], ["--output="], ["--max-file-size="]):
        assert pair.run(["echo", "ran"], options=words) == (0, b"ran\n", b"")


@pytest.mark.parametrize("typed, meant", [
    ("--sample-rte=1", "--sample-rate"), ("--sumary", "--summary"), ("--no-colors", None),
    ("--ouptut=file", "--output"), ("--rcord=x", "--record")])
def test_an_unknown_option_may_be_a_mistyped_one(pair, typed, meant):
    outcome = pair.run(["echo", "ran"], options=[typed])
    behind = f"did you mean {meant}?" if meant else "try telrun --help"
    assert outcome == (125, b"", f"telrun: there is no option {typed}; {behind}\n".encode())


@pytest.mark.parametrize("name, meant", [
    ("TELEMETRY_FIEL", "TELEMETRY_FILE"), ("TELEMETRY_OUTPUTS", "TELEMETRY_OUTPUT"),
    ("TELEMETRY_ONFULL", "TELEMETRY_ON_FULL"), ("TELEMETRY_FILE", None), ("TELEMETRY_CONSENT", None),
    ("TELEMETRY_SITE", None), ("TELEMETRY_CLOUD", None),
    ("TELEMETRY_" + 80 * "X", None)])
def test_a_mistyped_setting_is_told(pair, tmp_path, name, meant):
    outcome = pair.run(["echo", "ran"], env=dict(pair.environment, **{name: str(tmp_path / "trace")}))
    line = f"telrun: {name} is not a setting; did you mean {meant}?\n" if meant else ""
    assert outcome == (0, b"ran\n", line.encode())


def test_a_dash_is_standard_output(pair, tmp_path):
    outcome = pair.run(["sh", "-c", "echo ran"], options=["-o", "-"], cwd=tmp_path)
    assert (outcome.status, outcome.out, outcome.err) == (0, b"ran\n", b"")
    assert not (tmp_path / "-").exists()


def test_a_program_in_the_working_directory_is_named(pair, tmp_path):
    program = tmp_path / "samp"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    outcome = pair.run(["samp"], cwd=tmp_path)
    assert outcome == (127, b"", b"telrun: cannot execute samp: PATH has no such program; "
                                 b"did you mean ./samp?\n")
    program.chmod(0o644)
    assert pair.run(["samp"], cwd=tmp_path).err \
        == b"telrun: cannot execute samp: No such file or directory\n"


@pytest.mark.parametrize("value, complains", [
    ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
    ("", False),
    ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", True),
    ("nonsense", True),
])
def test_traceparent_is_checked_and_kept(pair, value, complains):
    outcome = pair.run(SHOW, env=dict(pair.environment, TRACEPARENT=value))
    assert variables(outcome)["TRACEPARENT"] == value
    assert (outcome.err.count(b"\n"), b"TRACEPARENT" in outcome.err) == (complains, complains)


@pytest.mark.parametrize("environment, options", [
    ({"DEBUG": "false"}, []),
    ({"DEBUG": "0", "SAMPLE_RATE": "banana", "TRACEPARENT": "nonsense"}, []),
    ({"SAMPLE_RATE": "0"}, []),
    ({}, ["-r", "0.0"]),
    ({"OTEL_SDK_DISABLED": "true"}, []),
])
def test_off_means_off(pair, tmp_path, environment, options):
    """telrun becomes the program: no supervisor, no drain, no session, not a word."""
    process = pair.start(SHOW, options=options, env=dict(pair.environment, **environment))
    out, err = process.communicate(timeout=TIMEOUT)
    seen = dict(line.split("=", 1) for line in out.decode().splitlines() if "=" in line)
    assert err == b""
    assert int(seen["pid"]) == process.pid
    assert "LD_PRELOAD" not in seen and "TELINJECT_SESSION" not in seen
    assert pair.sessions() == [] and not (tmp_path / "trace.jsonl").exists()


def test_off_reports_what_cannot_run(pair):
    environment = dict(pair.environment, DEBUG="no")
    assert pair.run(["/no/such/program"], env=environment).status == 127
    assert pair.run(["/etc/passwd"], env=environment).status == 126


def test_in_place(pair):
    """-D: the program has telrun's pid, and the library without a session of telrun's."""
    process = pair.start(SHOW, options=["-D"], env=dict(pair.environment, TELINJECT_SESSION="outer"))
    out, err = process.communicate(timeout=TIMEOUT)
    seen = dict(line.split("=", 1) for line in out.decode().splitlines() if "=" in line)
    assert (process.returncode, err) == (0, b"")
    assert int(seen["pid"]) == process.pid
    assert seen["LD_PRELOAD"] == str(pair.build / "lib/libtelinject.so")


def test_preload_that_is_set_is_kept_and_ours_comes_once(pair):
    ours = str(pair.build / "lib/libtelinject.so")
    libc = "libc.so.6"
    for before, after in ((libc, f"{libc}:{ours}"), (f"{ours}:{libc}", f"{ours}:{libc}"),
                          (f"{libc} libm.so.6", f"{libc}:libm.so.6:{ours}")):
        environment = dict(pair.environment, LD_PRELOAD=before)
        assert variables(pair.run(SHOW, env=environment))["LD_PRELOAD"] == after


def test_telinject_run_is_the_same(pair):
    command = [str(pair.build / "bin/telinject"), "run", "sh", "-c", "echo $0 $#; exit 4", "a", "b"]
    assert pair.run(command, traced=False) == (4, b"a 1\n", b"")


def test_a_link_by_the_name_of_telrun(pair, tmp_path):
    link = tmp_path / "telrun"
    link.symlink_to(pair.telrun)
    assert pair.run([str(link), "-q", "sh", "-c", "exit 6"], traced=False).status == 6


def test_a_script_whose_interpreter_is_telrun(pair, tmp_path):
    """`#!/path/telrun /bin/cat`"""
    script = tmp_path / "shown"
    script.write_text(f"#!{pair.telrun} /bin/cat\nsecond line\n")
    script.chmod(0o755)
    assert pair.run([str(script)], traced=False) == (0, script.read_bytes(), b"")


def test_telrun_under_telrun(pair):
    outcome = pair.run([pair.telrun, "sh", "-c", "echo $LD_PRELOAD; exit 3"])
    assert (outcome.status, outcome.err) == (3, b"")
    assert outcome.out.decode().split() == [str(pair.build / "lib/libtelinject.so")]


@pytest.mark.parametrize("program", ["telinject", "telrun"])
def test_needs_libc_only(build, program):
    listing = subprocess.run(["readelf", "-d", build / "bin" / program], capture_output=True,
                             text=True, check=True).stdout
    assert re.findall(r"NEEDED.*\[(.*)\]", listing) == ["libc.so.6"]


def compile_c(compiler, options, path):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    source = path.with_suffix(".c")
    source.write_text('#include <stdlib.h>\n#include <stdio.h>\nint main(void) {\n'
                      'const char* p = getenv("LD_PRELOAD");\nputs(p ? p : "none");\nreturn 5; }\n')
    if subprocess.run([compiler, *options, "-o", path, source], capture_output=True).returncode != 0:
        pytest.skip(f"{compiler} {' '.join(options)} does not work here")
    return str(path)


@pytest.mark.parametrize("compiler, options, preloaded", [
    ("gcc", [], True),
    ("gcc", ["-static"], True),  # the loader that would complain is not there
    ("gcc", ["-m32"], False),
    ("musl-gcc", [], False),
    ("gcc", ["-fsanitize=address"], True),
    ("clang", ["-fsanitize=address"], True),
])
def test_targets(pair, tmp_path, compiler, options, preloaded):
    """A program that cannot take the library runs without it, silently."""
    program = compile_c(compiler, options, tmp_path / "program")
    status, out, err = pair.run([program])
    assert (status, err) == (5, b"")
    assert out.decode().strip() == (str(pair.build / "lib/libtelinject.so") if preloaded else "none")


def test_python_runs(pair):
    assert pair.run([*PYTHON, "-c", "print(6 * 7)"]) == (0, b"42\n", b"")
