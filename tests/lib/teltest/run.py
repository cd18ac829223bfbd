"""Builds C and C++ programs through the compiler wrappers and runs them traced, or not.

TELINJECT_BUILD names the build tree to test (default: build/ of this repository). Objects and
programs are cached in its test-cache/, keyed by compiler, flags and sources: SQLite at -O2 takes
most of a minute to build, and several tests want it.
"""

import fcntl
import functools
import hashlib
import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from teltest import schema
from teltest.events import read_events

REPOSITORY = Path(__file__).resolve().parents[3]
APPS = REPOSITORY / "tests/apps"
GRPC_FLAGS = ("-lgrpc++", "-lgrpc", "-lgpr", "-labsl_synchronization", "-pthread")

COMPILERS = ("gcc", "clang")
LEVELS = ("-O0", "-O2")
_CXX = {"gcc": "g++", "clang": "clang++"}


def build_directory():
    return Path(os.environ.get("TELINJECT_BUILD", REPOSITORY / "build")).resolve()


def tool(name):
    """A program of the build tree: telrun, telinject, telcc, telc++."""
    return build_directory() / "bin" / name


def library():
    return build_directory() / "lib/libtelinject.so"


# Building.

@functools.cache
def _identity(command):
    """What a compiler says that it is, so that an upgrade is not served from the cache."""
    return subprocess.run([command, "--version"], capture_output=True, check=True).stdout


@functools.cache
def _wrapper_identity():
    """The compiler wrappers and the headers that they put before clang's."""
    overlay = build_directory() / "share/telinject/clang-overlay"
    files = [tool("telcc"), *sorted(path for path in overlay.rglob("*") if path.is_file())]
    return _digest(*(path.read_bytes() for path in files))


def _digest(*parts):
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()[:24]


@contextmanager
def _cached(key, name):
    """Yields (path, exists); the path's content must appear there at once, by rename."""
    place = build_directory() / "test-cache" / key
    place.mkdir(parents=True, exist_ok=True)
    with open(place / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place / name, (place / name).exists()


def _compile_command(language_is_cxx, compiler, instrument):
    """The command and its environment. The wrappers take the compiler to use from CC and CXX."""
    real = _CXX[compiler] if language_is_cxx else compiler
    if not instrument:
        return real, real, dict(os.environ)
    wrapper = tool("telc++" if language_is_cxx else "telcc")
    environment = dict(os.environ)
    environment["CXX" if language_is_cxx else "CC"] = real
    return str(wrapper), real, environment


def kept(name, make, *parts):
    """A file that is kept in the cache; make(path) writes it. `parts`: what it depends on."""
    with _cached(_digest(name, *parts), name) as (target, exists):
        if not exists:
            scratch = target.with_name(name + ".new")
            make(scratch)
            os.replace(scratch, target)
    return target


def _run_compiler(command, environment, target):
    scratch = target.with_name(target.name + ".new")
    run = subprocess.run([*command, "-o", scratch], capture_output=True, text=True,
                         env=environment)
    if run.returncode != 0:
        text = " ".join(str(word) for word in command)
        raise RuntimeError(f"{text}: status {run.returncode}\n{run.stderr}")
    os.replace(scratch, target)


def is_cxx(source):
    return Path(source).suffix in (".cpp", ".cc", ".cxx")


def build_object(source, compiler="gcc", flags=("-O0",), instrument=True):
    """Compiles one source file; flags go to the compiler as they are, after -g."""
    source = Path(source)
    command, real, environment = _compile_command(is_cxx(source), compiler, instrument)
    headers = sorted({*source.parent.glob("*.h"), *APPS.glob("*.h")})
    key = _digest(_identity(real), _wrapper_identity() if instrument else "plain", source, *flags,
                  *(path.read_bytes() for path in [source, *headers]))
    with _cached(key, source.stem + ".o") as (target, exists):
        if not exists:
            _run_compiler([command, "-g", *flags, "-c", source], environment, target)
    return target


def build(name, sources, compiler="gcc", flags=("-O0",), link_flags=(), instrument=True,
          plain_sources=()):
    """Compiles and links a program (or, with "-shared" in link_flags, a library); returns its path.

    `plain_sources` are compiled without instrumentation.
    """
    objects = [build_object(source, compiler, flags, instrument) for source in sources]
    objects += [build_object(source, compiler, flags, False) for source in plain_sources]
    cxx = any(is_cxx(source) for source in [*sources, *plain_sources])
    command, real, environment = _compile_command(cxx, compiler, instrument)
    key = _digest(_identity(real), _wrapper_identity() if instrument else "plain", *objects,
                  *link_flags)
    with _cached(key, name) as (target, exists):
        if not exists:
            _run_compiler([command, *objects, *link_flags], environment, target)
    return target


def count_hook():
    """The counting hook, built plainly: -O2 makes its forwarding calls jumps."""
    return build("libcount_hook.so", [APPS / "count_hook.c"], "gcc", ("-O2", "-fPIC"),
                 ("-shared", "-ldl"), instrument=False)


# Running.

@dataclass
class Result:
    command: list
    status: int       # as subprocess has it: negative is the signal
    stdout: bytes
    stderr: bytes
    seconds: float
    events_path: Path

    def events(self):
        """A generator; nothing if the program was not traced. All are held against the schema, too."""
        if not self.events_path.exists():
            return iter(())
        schema.hold(self.events_path)
        return read_events(self.events_path)


_PREFIXES = ("TELEMETRY_", "TELINJECT_", "OTEL_", "COUNT_HOOK_")
_NAMES = {"LD_PRELOAD", "DEBUG", "SAMPLE_RATE", "SERVICE_NAME", "SERVICE_VERSION", "ENVIRONMENT",
          "TRACEPARENT", "TRACESTATE", "RECEIVER_URL"}


def clean_environment():
    """Ours without what would steer the tracer: a test sets all that it depends on."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith(_PREFIXES) and name not in _NAMES}


def run(command, into, mode="telrun", settings=None, environment=None, preload=(), stdin=b"",
        cwd=None, timeout=300):
    """Runs a program and waits for it.

    mode: "telrun"; "preload" (a bare LD_PRELOAD); "none" (not traced).
    into: the file for its events, which is removed first.
    settings: environment variables for the tracer, over the defaults below.
    preload: libraries to preload before the tracer's.
    """
    into = Path(into)
    into.unlink(missing_ok=True)
    variables = clean_environment() | (environment or {})
    libraries = [str(path) for path in preload]
    command = [str(word) for word in command]
    if mode != "none":
        variables |= {"TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(into),
                      "TELEMETRY_SUMMARY": "never", "TELEMETRY_EXIT_WAIT": "600000"}
        variables |= settings or {}
    if mode == "preload":
        libraries.append(str(library()))
    if libraries:
        variables["LD_PRELOAD"] = ":".join(libraries)
    started = [str(tool("telrun")), "--", *command] if mode == "telrun" else command
    start = time.monotonic()
    run_result = subprocess.run(started, env=variables, input=stdin, capture_output=True,
                                cwd=cwd, timeout=timeout)
    return Result(command, run_result.returncode, run_result.stdout, run_result.stderr,
                  time.monotonic() - start, into)


def run_counted(command, into, mode="preload", **options):
    """As run(), with the counting hook before the tracer; returns (Result, path of the counts)."""
    counts = Path(into).with_suffix(".counts")
    counts.unlink(missing_ok=True)
    environment = (options.pop("environment", None) or {}) | {"COUNT_HOOK_FILE": str(counts)}
    result = run(command, into, mode, preload=[count_hook()], environment=environment, **options)
    return result, counts


def convert(recording, into):
    """telinject convert; asserts that it has nothing to say."""
    Path(into).unlink(missing_ok=True)
    run_result = subprocess.run([tool("telinject"), "convert", "-q", "-o", into, recording],
                                env=clean_environment(), capture_output=True, check=False)
    assert (run_result.returncode, run_result.stdout, run_result.stderr) == (0, b"", b"")
