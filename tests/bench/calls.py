"""What tracing adds to each call, program by program, against the floor and the peers."""

import shutil
import statistics

from measure import LIBRARY, QUEUE_BYTES, DrainMemory, let_drains_finish, main_ns, spread, touch_memory
from peers import Lttng, Uftrace, Xray
from workloads import Workload

FLOOR, FLOOR_READ = "floor", "floor, its ring read"
OURS, RECORDING = "telinject", "telinject, --record"
TARGETS = {  # x the floor, or x glibc's stubs
    RECORDING: (FLOOR, 1.10),
    OURS: (FLOOR, 1.10),
    "telinject, off": ("glibc's stubs", 1.10),
}


# The collector, which copies records out of the program's rings: millions a second.
COLLECTING_TARGET = 40
RECORD_BYTES = 48  # of a call and its return, at most


def options(*more):
    return ["-q", f"--queue-bytes={QUEUE_BYTES}", "-o", "/dev/null", *more]


class Calls:
    """All configurations of one program; each returns (ns, kB) of one run."""

    def __init__(self, workshop, pinned, workload, folder, peers):
        self.workload, self.pinned, self.folder = workload, pinned, folder
        program = [workload.traced, *workload.arguments]

        def hooks(kind):
            return lambda: self.main([*pinned.program, *program], LD_PRELOAD=workshop.hooks[kind])

        def traced(*more, **settings):
            return lambda: self.main(pinned.telrun(options(*more), program), **settings)

        self.made = {
            "plain": lambda: self.main([*pinned.program, workload.plain, *workload.arguments]),
            "glibc's stubs": lambda: self.main([*pinned.program, *program]),
            FLOOR: hooks("RECORD"),
            FLOOR_READ: hooks("READ"),
            RECORDING: self.recording,
            OURS: traced("--on-full=block"),
            "telinject, dropping": traced("--on-full=drop"),
            "telinject, off": lambda: self.main([*pinned.program, *program], LD_PRELOAD=LIBRARY,
                                                DEBUG="false"),
            "telinject, sampled 0.01": traced("--on-full=block", "--sample-rate=0.01"),
            "telinject, sampled out": traced("--sample-rate=0.000000001"),
        }
        self.bases = {}
        for peer in peers:
            if isinstance(peer, Xray):
                if workload.xray is None:
                    continue
                self.made["plain, clang"] = lambda: self.main([*pinned.program, workload.clang,
                                                               *workload.arguments])
                self.bases[peer.name] = "plain, clang", workload.xray_calls
            self.made[peer.name] = lambda peer=peer: peer.measure(workload)

    def recording(self):
        """Nothing is lost and nothing encoded: the drain does no more than to keep up."""
        recording = self.folder / "recording"
        shutil.rmtree(recording, ignore_errors=True)
        program = [self.workload.traced, *self.workload.arguments]
        return self.main(self.pinned.telrun(["-q", "--on-full=block", f"--record={recording}"], program))

    def main(self, command, **settings):
        ns, kb, _ = main_ns(self.folder, command, **settings)
        return ns, kb


def count_losses(calls):
    """Of our own: what the summary says is lost, and the drain's memory, in a run of its own."""
    found = {}
    for name, more in (OURS, "--on-full=block"), ("telinject, dropping", "--on-full=drop"):
        command = calls.pinned.telrun(["--summary", *options(more)[1:]],
                                      [calls.workload.traced, *calls.workload.arguments])
        with DrainMemory() as memory:
            _, _, done = main_ns(calls.folder, command)
        lost, = (line.split(None, 1)[1] for line in done.stderr.splitlines() if line.startswith("  lost "))
        found[name] = {"lost": lost, "drain_kb": memory.kb}
    return found


def measure_calls(workshop, pinned, workload: Workload, repetitions, folder, peers):
    calls = Calls(workshop, pinned, workload, folder, peers)
    times = {name: [] for name in calls.made}
    memory = {}
    for repetition in range(repetitions + 1):  # the first warms up
        for name, measure in calls.made.items():
            touch_memory(2 * RECORD_BYTES * workload.calls)
            ns, kb = measure()
            let_drains_finish()
            memory[name] = kb
            if repetition > 0:
                times[name].append(ns)
    result = {"calls": workload.calls, "plain_ms": statistics.median(times["plain"]) / 1e6, "ns": {}}
    losses = count_losses(calls)
    for name, values in times.items():
        if name.startswith("plain"):
            continue
        base, count = calls.bases.get(name, ("plain", workload.calls))
        plain = statistics.median(times[base])
        figures = spread([(value - plain) / count for value in values])
        figures["slowdown"] = statistics.median(values) / plain
        figures["program_kb"] = memory[name]
        result["ns"][name] = figures | losses.get(name, {})
    for peer in peers:
        written = peer.bytes_written()
        if peer.name in result["ns"] and written is not None:
            result["ns"][peer.name]["bytes_a_call"] = written / workload.calls
    # With the program's own time.
    collected = statistics.median(times[RECORDING]) / (2 * workload.calls)
    result["ns"][RECORDING]["collected_m_per_s"] = 1000 / collected
    # Of the repetitions one by one: what slows the machine for a while slows both.
    def ratios(name, base):
        return spread([(ours - none) / (others - none)
                       for ours, others, none in zip(times[name], times[base], times["plain"])])

    for name, (base, most) in TARGETS.items():
        result["ns"][name]["target"] = {"of": base, "most": most, "is": ratios(name, base)}
    result["ns"][RECORDING]["of_floor_read"] = ratios(RECORDING, FLOOR_READ)
    return result


def print_calls(name, result):
    ns = result["ns"]
    floor = ns[FLOOR]["median"]
    print(f"\n{name}: {result['calls']:,} calls, {result['plain_ms']:.1f} ms untraced\n")
    print(f"  {'':24}{'ns/call':>9}{'min..max':>16}{'x floor':>9}{'slowdown':>10}{'MB':>6}  ")
    for what, value in ns.items():
        between = f"{value['min']:.1f}..{value['max']:.1f}"
        notes = []
        if "target" in value:
            target = value["target"]
            notes.append(f"{target['is']['median']:.2f} x {target['of']} (target {target['most']:.2f})")
        if "of_floor_read" in value:
            notes.append(f"{value['of_floor_read']['median']:.2f} x {FLOOR_READ}")
        if "collected_m_per_s" in value:
            notes.append(f"{value['collected_m_per_s']:.0f} M records/s taken (target {COLLECTING_TARGET})")
        if "lost" in value:
            notes.append(f"lost {value['lost']}, drain {value['drain_kb'] / 1000:.0f} MB")
        if "bytes_a_call" in value:
            notes.append(f"{value['bytes_a_call']:.0f} bytes a call")
        print(f"  {what:24}{value['median']:9.1f}{between:>16}{value['median'] / floor:9.2f}"
              f"{value['slowdown']:9.1f}x{value['program_kb'] / 1000:6.0f}  {'; '.join(notes)}".rstrip())


def measure_threads(workshop, workload, threads, repetitions, folder):
    """ns a call and thread, of one thread and of several: no line of memory is written by two."""
    n = workload.arguments[0]

    def hooks(library, **settings):
        return lambda count: main_ns(folder, [workload.traced, n, count], LD_PRELOAD=library, **settings)[0]

    made = {
        "plain": lambda count: main_ns(folder, [workload.plain, n, count])[0],
        FLOOR: hooks(workshop.hooks["RECORD"]),
        "telinject, sampled out": hooks(LIBRARY, TELEMETRY_FILE="/dev/null", SAMPLE_RATE="0.000000001"),
    }
    times = {}
    for _ in range(repetitions):
        for name, measure in made.items():
            for count in (1, threads):
                times.setdefault((name, count), []).append(measure(count))
    result = {}
    for name in made:
        if name == "plain":
            continue
        result[name] = {str(count): (statistics.median(times[name, count])
                                     - statistics.median(times["plain", count])) / workload.calls
                        for count in (1, threads)}
    return result


def print_threads(result):
    print("\nns a call of each thread, that many threads at once:")
    for name, value in result.items():
        print(f"  {name:24}" + "".join(f"{count:>4}: {ns:.1f}" for count, ns in value.items()))


def installed_peers(folder):
    return [peer(folder) for peer in (Uftrace, Lttng, Xray) if peer.is_here()]
