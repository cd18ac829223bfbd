"""What tracing adds to each call, program by program, against the floor and the peers: with a core each for
program and drain, with everything on one core, and on a busy machine.

All of telinject's rows have its default settings, but for what their names say. What a run lost is read from
its own totals.
"""

import shutil
import statistics

from conditions import Busy, OneCore, Pinned
from measure import (LIBRARY, let_drains_finish, main_run, spread, totals_of, totals_of_recording,
                     touch_memory)
from peers import Lttng, Uftrace, Xray

FLOOR, FLOOR_WIDE, FLOOR_READ, STUBS = ("floor", "floor, 48 bytes a call", "floor, its ring read",
                                         "glibc's stubs")
OURS, RECORDING, OFF = "telinject", "telinject, --record", "telinject, off"
BLOCKING = "telinject, --on-full=block"
# With everything on one core, and on a busy machine.
FEWER = ("plain", FLOOR, RECORDING, OURS, Uftrace.name)
TITLES = {
    Pinned.name: "a core for the program, the others for the drain",
    OneCore.name: "everything on one core (taskset -c 0)",
    Busy.name: "beside eight busy loops",
}
# Condition, row: (x which row, at most with tiny, at most with real programs)
TARGETS = {
    (Pinned.name, RECORDING): (FLOOR, 1.10, 1.35),
    (Pinned.name, OURS): (FLOOR, 1.25, 1.50),
    (Pinned.name, OFF): (STUBS, 1.10, 1.10),
    (OneCore.name, RECORDING): (FLOOR, 1.60, 1.60),
}
# The collector, which copies records out of the program's rings: millions a second.
COLLECTING_TARGET = 40
RECORD_BYTES = 48  # of a call and its return, at most


class Calls:
    """All configurations of one program under one condition; each makes one run, and returns a MainRun."""

    def __init__(self, workshop, condition, workload, folder, peers):
        self.workload, self.condition, self.folder = workload, condition, folder
        self.traced = [workload.traced, *workload.arguments]

        def hooks(kind):
            return lambda: self.alone(self.traced, LD_PRELOAD=workshop.hooks[kind])

        def telinject(*options):
            return lambda: self.encoding(options)

        self.made = {
            "plain": lambda: self.alone([workload.plain, *workload.arguments]),
            STUBS: lambda: self.alone(self.traced),
            FLOOR: hooks("RECORD"),
            FLOOR_WIDE: hooks("WIDE"),
            FLOOR_READ: hooks("READ"),
            RECORDING: self.recording,
            OURS: telinject(),
            BLOCKING: telinject("--on-full=block"),
            OFF: lambda: self.alone(self.traced, LD_PRELOAD=LIBRARY, DEBUG="false"),
            "telinject, sampled 0.01": telinject("--sample-rate=0.01"),
            "telinject, sampled out": telinject("--sample-rate=0.000000001"),
        }
        self.bases = {}
        for peer in peers:
            if isinstance(peer, Xray):
                if workload.xray is None:
                    continue
                self.made["plain, clang"] = lambda: self.alone([workload.clang, *workload.arguments])
                self.bases[peer.name] = "plain, clang", workload.xray_calls
            # It has all cores where we have, too, and one where we have one.
            prefix = () if isinstance(condition, Pinned) else condition.program
            if isinstance(peer, Uftrace):
                self.made[peer.name] = lambda peer=peer: self.run(lambda: peer.measure(workload, prefix))
            else:
                self.made[peer.name] = lambda peer=peer: self.run(lambda: peer.measure(workload))
        if not isinstance(condition, Pinned):
            self.made = {name: measure for name, measure in self.made.items() if name in FEWER}

    def run(self, measure):
        with self.condition:
            return measure()

    def alone(self, command, **settings):
        return self.run(lambda: main_run(self.folder, [*self.condition.program, *command], **settings))

    def telrun(self, options):
        return self.run(lambda: main_run(self.folder, self.condition.telrun(["-q", *options], self.traced)))

    def encoding(self, options):
        totals = self.folder / "totals"
        done = self.telrun([*options, "-o", "/dev/null", f"--totals={totals}"])
        done.lost = totals_of(totals)["lost_calls"]
        return done

    def recording(self):
        """Nothing is encoded: the drain does no more than to keep up."""
        recording = self.folder / "recording"
        shutil.rmtree(recording, ignore_errors=True)
        done = self.telrun([f"--record={recording}"])
        done.lost = totals_of_recording(recording, self.folder)["lost_calls"]
        return done


def measure_calls(workshop, condition, workload, repetitions, folder, peers):
    calls = Calls(workshop, condition, workload, folder, peers)
    runs = {name: [] for name in calls.made}
    for repetition in range(repetitions + 1):  # the first warms up
        for name, measure in calls.made.items():
            touch_memory(2 * RECORD_BYTES * workload.calls)
            done = measure()
            let_drains_finish()
            if repetition > 0:
                runs[name].append(done)
    return report_of(calls, runs, peers)


def report_of(calls, runs, peers):
    workload, condition = calls.workload, calls.condition.name

    def base_of(name):
        return calls.bases.get(name, ("plain", workload.calls))

    # Of the repetitions one by one: what slows the machine for a while slows both.
    def added(name, what):
        base, count = base_of(name)
        return [(getattr(ours, what) - getattr(none, what)) / count
                for ours, none in zip(runs[name], runs[base])]

    def ratios(name, base, what="ns"):
        # Where the machine is that noisy, a base may come out as nothing, or less.
        pairs = zip(added(name, what), added(base, what))
        return spread([ours / max(others, 0.01) for ours, others in pairs])

    rows = {}
    for name, done in runs.items():
        if name.startswith("plain"):
            continue
        base, count = base_of(name)
        plain = statistics.median(run.ns for run in runs[base])
        row = spread([(run.ns - plain) / count for run in done])
        row["x_floor"] = ratios(name, FLOOR)
        row["cpu_ns"] = spread(added(name, "cpu_ns"))
        row["cpu_x_floor"] = ratios(name, FLOOR, "cpu_ns")
        row["slowdown"] = statistics.median(run.ns for run in done) / plain
        row["program_kb"] = max(run.program_kb for run in done)
        row["collector_kb"] = max(run.collector_kb for run in done)
        row["lost"] = None if done[0].lost is None else spread([run.lost for run in done])
        if (condition, name) in TARGETS:
            of, tiny, real = TARGETS[condition, name]
            row["target"] = {"of": of, "most": tiny if workload.name == "tiny" else real,
                             "is": ratios(name, of)}
        rows[name] = row
    if FLOOR_READ in rows:
        rows[RECORDING]["of_floor_read"] = ratios(RECORDING, FLOOR_READ)
        # With the program's own time.
        recorded = statistics.median(run.ns for run in runs[RECORDING]) / (2 * workload.calls)
        rows[RECORDING]["collected_m_per_s"] = 1000 / recorded
    for peer in peers:
        written = peer.bytes_written()
        if peer.name in rows and written is not None:
            rows[peer.name]["bytes_a_call"] = written / workload.calls
    return {"calls": workload.calls, "plain_ms": statistics.median(run.ns for run in runs["plain"]) / 1e6,
            "condition": condition, "rows": rows}


def loss_text(row, calls):
    """The median, with the share of all calls; and the most, where the runs differ."""
    if row["lost"] is None:
        return ""
    lost, most = row["lost"]["median"], row["lost"]["max"]
    if most == 0:
        return "nothing"
    text = f"{lost:,.0f} ({100 * lost / calls:.0f} %)"
    return text if most == lost else f"{text}, up to {most:,}"


def notes_on(row):
    notes = []
    if "target" in row:
        target = row["target"]
        verdict = "met" if target["is"]["median"] <= target["most"] else "missed"
        if row["lost"] and row["lost"]["max"] > 0:  # cheaper than it would be
            verdict = "missed, calls were lost"
        notes.append(f"{target['is']['median']:.2f} x {target['of']}, target {target['most']:.2f}: {verdict}")
    if "of_floor_read" in row:
        notes.append(f"{row['of_floor_read']['median']:.2f} x {FLOOR_READ}")
    if "collected_m_per_s" in row:
        notes.append(f"{row['collected_m_per_s']:.0f} M records/s taken (target {COLLECTING_TARGET})")
    if "bytes_a_call" in row:
        notes.append(f"{row['bytes_a_call']:.0f} bytes a call")
    return "; ".join(notes)


def print_calls(name, result):
    print(f"\n{name}, {TITLES[result['condition']]}: {result['calls']:,} calls, {result['plain_ms']:.1f} ms "
          "untraced\n")
    print(f"  {'':27}{'ns/call':>8}{'min..max':>16}{'x floor':>9}{'min..max':>12}{'CPU ns':>8}{'x floor':>9}"
          f"{'slowdown':>10}{'MB':>6}{'drain MB':>10}  lost")
    for what, row in result["rows"].items():
        between = f"{row['min']:.1f}..{row['max']:.1f}"
        floors = f"{row['x_floor']['min']:.2f}..{row['x_floor']['max']:.2f}"
        drain = f"{row['collector_kb'] / 1000:.0f}" if row["collector_kb"] else ""
        print(f"  {what:27}{row['median']:8.1f}{between:>16}{row['x_floor']['median']:9.2f}{floors:>12}"
              f"{row['cpu_ns']['median']:8.1f}{row['cpu_x_floor']['median']:9.2f}{row['slowdown']:9.1f}x"
              f"{row['program_kb'] / 1000:6.0f}{drain:>10}  {loss_text(row, result['calls'])}".rstrip())
        if notes := notes_on(row):
            print(f"  {'':27}    {notes}")


def measure_threads(workshop, workload, threads, repetitions, folder):
    """ns a call and thread, of one thread and of several: no line of memory is written by two."""
    n = workload.arguments[0]

    def hooks(library, **settings):
        return lambda count: main_run(folder, [workload.traced, n, count], LD_PRELOAD=library, **settings).ns

    made = {
        "plain": lambda count: main_run(folder, [workload.plain, n, count]).ns,
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
