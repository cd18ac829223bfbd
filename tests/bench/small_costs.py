"""Instructions of a call, microseconds of a throw, milliseconds of a start."""

import os
import subprocess
import time

from measure import LIBRARY, QUEUE_BYTES, SOURCES, TELRUN, run, spread

MOST_INSTRUCTIONS = {"telinject": 70, "telinject, off": 1}


def instructions(program, argument, folder, **settings):
    """Executed by the program from start to end; they repeat, unlike times."""
    output = folder / "callgrind"
    run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", program, argument], **settings)
    totals = [line for line in output.read_text().splitlines() if line.startswith("summary:")]
    return int(totals[0].split()[1])


def measure_instructions(workshop, program, folder):
    """Of a call+return, above glibc's empty hooks: two sizes are compared, so that the start cancels out."""
    calls = {16: 3193, 20: 21891}  # fib(n) makes 2 fib(n + 1) - 1

    def each_call(**settings):
        few, many = (instructions(program, str(n), folder, **settings) for n in calls)
        return (many - few) / (calls[20] - calls[16])

    own = {"LD_PRELOAD": LIBRARY, "TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": "/dev/null",
           "TELEMETRY_ON_FULL": "block"}
    empty = each_call(LD_PRELOAD=workshop.hooks["EMPTY"])
    return {"floor": each_call(LD_PRELOAD=workshop.hooks["RECORD"]) - empty,
            "telinject": each_call(**own) - empty,
            "telinject, off": each_call(**own, DEBUG="false") - empty,
            "telinject, sampled out": each_call(**own, SAMPLE_RATE="0.000000001") - empty}


def print_instructions(figures):
    print("\ninstructions of a call+return, above empty hooks:", end=" ")
    print(", ".join(f"{name} {value:.1f}"
                    + (f" (at most {MOST_INSTRUCTIONS[name]})" if name in MOST_INSTRUCTIONS else "")
                    for name, value in figures.items()))


def measure_throws(workshop, pinned, repetitions):
    """A few at a time have stacks, many are sampled: both sides of the throttle (docs/errors.md)."""
    paths = {}
    for kind, extra in ("plain", []), ("traced", ["-finstrument-functions"]):
        paths[kind] = workshop.folder / f"throw-{kind}"
        run(["g++", "-g", "-O2", *extra, SOURCES / "throw.cpp", "-o", paths[kind]])
    traced = pinned.telrun(["-q", f"--queue-bytes={QUEUE_BYTES}", "-o", "/dev/null"], [paths["traced"]])
    commands = {
        "untraced": ([*pinned.program, paths["plain"]], {}),
        "instrumented, not traced": ([*pinned.program, paths["traced"]], {}),
        "without stacks": (traced, {"ENABLE_STACKTRACES": "false"}),
        "with stacks": (traced, {}),
    }
    times = {}
    for _ in range(repetitions):
        for name, (command, settings) in commands.items():
            for count in (90, 20000):
                ns = float(run([*command, str(count)], **settings).stdout)
                times.setdefault(f"{name}, {count} throws", []).append(ns / 1000)
    return {name: spread(values) for name, values in times.items()}


def print_throws(times):
    print("\nthrow and catch through 5 frames, us:")
    for name, value in times.items():
        print(f"  {name:40}{value['median']:9.2f}   {value['min']:.2f}..{value['max']:.2f}")


def measure_start_up(repetitions):
    """Until it has ended, and until nobody has its output open any more: the drain of a preloaded
    program keeps stderr until it has started, for what it may have to say."""
    bare = {"LD_PRELOAD": LIBRARY, "TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": "/dev/null"}
    commands = {
        "alone": (["/bin/true"], {}),
        "preloaded, off": (["/bin/true"], {"LD_PRELOAD": LIBRARY, "DEBUG": "false"}),
        "preloaded": (["/bin/true"], bare),
        "telrun": ([TELRUN, "-q", "-o", "/dev/null", "/bin/true"], {}),
    }
    ends = {"to its end": {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL},
            "to its output's end": {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}}
    times = {name: {end: [] for end in ends} for name in commands}
    for _ in range(repetitions):
        for end, files in ends.items():
            for name, (command, settings) in commands.items():
                environment = {**os.environ, **{key: str(value) for key, value in settings.items()}}
                start = time.monotonic_ns()
                subprocess.run([str(word) for word in command], env=environment, check=True,
                               stdin=subprocess.DEVNULL, **files)
                times[name][end].append((time.monotonic_ns() - start) / 1e6)
                time.sleep(0.02)  # its drain has a core for itself, too, and ends
    return {name: {end: spread(values) for end, values in each.items()} for name, each in times.items()}


def print_start_up(times):
    print("\nstart-up: milliseconds that are added to /bin/true, which takes", end=" ")
    print(f"{times['alone']['to its end']['median']:.2f} (targets: preloaded at most 1, telrun 10)")
    for name, each in times.items():
        if name != "alone":
            print(f"  {name:20}", end="")
            print(", ".join(f"{value['median'] - times['alone'][end]['median']:6.2f} {end}"
                            for end, value in each.items()))
