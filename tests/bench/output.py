"""The way of the records behind the program: into a recording, and from there to events of each kind.

One core has it all to do (taskset), so that a rate is that of a core; but for the rows of two threads
(--drain-threads), which have two cores, where the machine has them.
"""

import os
import shutil
import sys
import time

from measure import TELINJECT, TELRUN, run, spread, timed, touch_memory

TARGETS = {  # events a second, one core
    "to /dev/null": ("at least 5 M/s", 5e6),
    "to a file.zst": ("at least 1.5 M/s", 1.5e6),
}
PLAIN_WRITE = "a plain write of the same bytes"
FULL_EVENT_BYTES = 1400  # at most, in these programs
NAMED = "read, ordered, paired and named only"
TWO_THREADS = ", 2 threads"


def record(workload, folder):
    """(the recording, seconds with the program's own)"""
    recording = folder / "recording"
    shutil.rmtree(recording, ignore_errors=True)
    command = [TELRUN, "-q", "--on-full=block", f"--record={recording}", "--", workload.traced,
               *workload.arguments]
    return recording, timed(command)


def write_plainly(path, size):
    block = bytes(range(256)) * 4096
    start = time.monotonic_ns()
    with open(path, "wb", buffering=0) as file:
        left = size
        while left > 0:
            left -= file.write(block[:left] if left < len(block) else block)
    took = (time.monotonic_ns() - start) / 1e9
    path.unlink()
    return took


def convert(start_by, options, recording):
    """Seconds. With -q it has nothing to say but what is wrong."""
    start = time.monotonic_ns()
    done = run([*start_by, TELINJECT, "convert", "-q", *options, recording])
    took = (time.monotonic_ns() - start) / 1e9
    if done.stderr:
        sys.exit(f"bench: telinject convert {' '.join(map(str, options))}: {done.stderr}")
    return took


def measure_output(workload, pinned, repetitions, folder, to_files):
    recording, recorded = record(workload, folder)
    size = sum(path.stat().st_size for path in recording.iterdir())
    events = 2 * workload.calls
    kinds = {
        NAMED: ["--exclude=*", "-o", "/dev/null"],
        "to /dev/null": ["-o", "/dev/null"],
        "to /dev/null, lean": ["--detail=lean", "-o", "/dev/null"],
        "to a file.zst": ["-o", folder / "events.jsonl.zst"],
        "to a file.gz": ["-o", folder / "events.jsonl.gz"],
    }
    if to_files:
        kinds |= {"to a file": ["-o", folder / "events.jsonl"],
                  "to a file, lean": ["--detail=lean", "-o", folder / "events-lean.jsonl"]}
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) == 2:
        kinds |= {f"{name}{TWO_THREADS}": ["--drain-threads=2", *kinds[name]]
                  for name in ("to /dev/null", "to a file.zst")}
    on_two_cores = ["taskset", "-c", ",".join(map(str, cores))]
    seconds, sizes = {name: [] for name in kinds}, {}
    start_up = []  # of a conversion that has nothing to do
    nothing = folder / "nothing"
    run([TELRUN, "-q", f"--record={nothing}", "--", workload.traced, "1"])
    for _ in range(repetitions):
        start_up.append(convert(pinned.program, ["-o", "/dev/null"], nothing))
        for name, options in kinds.items():
            start = on_two_cores if name.endswith(TWO_THREADS) else pinned.program
            path = options[-1]
            # What is written to a file goes to memory first.
            to_file = name.startswith("to a file") and "." not in name
            touch_memory(events * FULL_EVENT_BYTES if to_file else 64 << 20)
            seconds[name].append(convert(start, options, recording))
            if path != "/dev/null":
                sizes[name] = path.stat().st_size
                path.unlink()
            if name == "to a file":
                touch_memory(events * FULL_EVENT_BYTES)
                seconds.setdefault(PLAIN_WRITE, []).append(write_plainly(path, sizes[name]))
    idle = min(start_up)
    result = {"events": events, "recording_bytes": size,
              "records_a_second_to_a_recording": events / recorded, "convert_start_s": idle, "rates": {}}
    for name, values in seconds.items():
        own = 0 if name == PLAIN_WRITE else idle
        figures = spread([events / max(value - own, 1e-9) for value in values])
        if name in sizes:
            figures["bytes_an_event"] = sizes[name] / events
        if name in TARGETS:
            figures["target"] = TARGETS[name][0]
            figures["met"] = figures["median"] >= TARGETS[name][1]
        result["rates"][name] = figures
    rates = result["rates"]
    for name, base, least in (("to a file", PLAIN_WRITE, 0.8), ("to a file, lean", "to a file", 2.0)):
        if name in rates:
            ratio = rates[name]["median"] / rates[base]["median"]
            rates[name] |= {"target": f"{ratio:.2f} x {base}, at least {least}", "met": ratio >= least}
    ns = 1e9 / rates[NAMED]["median"]
    rates[NAMED] |= {"target": f"{ns:.0f} ns a record, less than 100", "met": ns < 100}
    return result


def print_output(result):
    print(f"\nbehind the program, one core (two for 2 threads): {result['events']:,} events "
          f"({result['recording_bytes'] / result['events']:.1f} bytes each in a recording, "
          f"{result['records_a_second_to_a_recording'] / 1e6:.1f} M/s with the program's own time)\n")
    print(f"  {'':40}{'M events/s':>11}{'min..max':>14}{'bytes':>7}")
    for name, value in result["rates"].items():
        between = f"{value['min'] / 1e6:.2f}..{value['max'] / 1e6:.2f}"
        size = f"{value['bytes_an_event']:.0f}" if "bytes_an_event" in value else ""
        target = f"  {value['target']}: {'met' if value['met'] else 'missed'}" if "target" in value else ""
        print(f"  {name:40}{value['median'] / 1e6:11.2f}{between:>14}{size:>7}{target}")


def measure_events(workload, repetitions):
    """Both events of each call, from the program's start to the last line, nothing lost, all cores."""
    rates = []
    for _ in range(repetitions):
        start = time.monotonic_ns()
        run([TELRUN, "-q", "--on-full=block", "-o", "/dev/null", "--", workload.traced, *workload.arguments])
        rates.append(2 * workload.calls * 1e9 / (time.monotonic_ns() - start))
    return {"events": 2 * workload.calls, "per_second": spread(rates)}


def print_events(events):
    rate = events["per_second"]
    print(f"\nfrom the program's start to the last of {events['events']:,} events in /dev/null: "
          f"{rate['median'] / 1e6:.2f} M/s ({rate['min'] / 1e6:.2f}..{rate['max'] / 1e6:.2f}), "
          f"{os.cpu_count()} cores")
