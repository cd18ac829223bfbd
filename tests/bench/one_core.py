"""telrun --record against uftrace record on one core: SQLite's demo, from the command's start to its end.

The medians of runs that take turns. What a run lost is in the table.
"""

import shutil

import demo
from conditions import OneCore
from measure import let_drains_finish, spread, timed, totals_of, totals_of_recording
from peers import Uftrace

UNTRACED, RECORDING, OURS, PEER = "untraced", "telrun --record", "telrun -o /dev/null", "uftrace record"
MOST = 1.0  # x uftrace


def measure_one_core(folder, repetitions):
    command = demo.build_demo()
    core = OneCore()
    recording, trace, totals = folder / "recording", folder / "uftrace", folder / "totals"

    def record():
        shutil.rmtree(recording, ignore_errors=True)
        seconds = timed(core.telrun(["-q", f"--record={recording}"], command), stdin=demo.QUERY)
        return seconds, totals_of_recording(recording, folder)["lost_calls"]

    def encode():
        options = ["-q", "-o", "/dev/null", f"--totals={totals}"]
        seconds = timed(core.telrun(options, command), stdin=demo.QUERY)
        return seconds, totals_of(totals)["lost_calls"]

    def uftrace():
        shutil.rmtree(trace, ignore_errors=True)
        said = []
        seconds = timed([*core.program, *Uftrace.record(trace), *command], stdin=demo.QUERY, said=said)
        return seconds, Uftrace.lost(said[0])

    made = {
        UNTRACED: lambda: (timed([*core.program, *command], stdin=demo.QUERY), None),
        RECORDING: record,
        OURS: encode,
    }
    if Uftrace.is_here():
        made[PEER] = uftrace
    runs = {name: [] for name in made}
    for repetition in range(repetitions + 1):  # the first warms up
        # There and back again: what comes after whom is not always the same.
        for name in list(made)[::-1 if repetition % 2 else 1]:
            done = made[name]()
            let_drains_finish()
            if repetition > 0:
                runs[name].append(done)
    result = {name: {"ms": spread([1000 * seconds for seconds, _ in done]),
                     "lost": None if done[0][1] is None else spread([lost for _, lost in done])}
              for name, done in runs.items()}
    if PEER in runs:
        for name in (RECORDING, OURS):
            result[name]["x_uftrace"] = result[name]["ms"]["median"] / result[PEER]["ms"]["median"]
    return result


def print_one_core(result):
    print("\nSQLite's demo on one core (taskset -c 0), from the command's start to its end:\n")
    print(f"  {'':22}{'ms':>8}{'min..max':>18}{'x uftrace':>11}  lost")
    for name, row in result.items():
        between = f"{row['ms']['min']:.1f}..{row['ms']['max']:.1f}"
        ratio = f"{row['x_uftrace']:.2f}" if "x_uftrace" in row else ""
        most = row["lost"]["max"] if row["lost"] else 0
        lost = f"{row['lost']['median']:,.0f}, up to {most:,}" if most else "nothing" if row["lost"] else ""
        note = ""
        if name == RECORDING and ratio:
            verdict = "missed, calls were lost" if most else "met" if row["x_uftrace"] <= MOST else "missed"
            note = f"; target {MOST:.2f} x uftrace: {verdict}"
        print(f"  {name:22}{row['ms']['median']:8.1f}{between:>18}{ratio:>11}  {lost}{note}".rstrip())
