"""What is wrong with one traced run: its behaviour, what it left, what was written, what was counted."""

import json
import struct
import subprocess
from dataclasses import dataclass, field

from reliability import traces
from reliability.place import META
from reliability.running import TRACE
from teltest.counts import compare, hook_total, read_hook_file
from teltest.run import clean_environment, tool

BEHAVIOUR, LOST, INVALID, LEFT = "behaviour", "lost uncounted", "invalid output", "left behind"
KINDS = (BEHAVIOUR, LOST, INVALID, LEFT)


@dataclass
class Verdict:
    findings: list = field(default_factory=list)  # (kind, text)
    lines: int = 0
    calls: int = 0     # of counted programs, by the hook
    lost: int = 0      # told as lost
    untraced: bool = False
    notices: list = field(default_factory=list)

    def add(self, kind, text):
        self.findings.append((kind, text))


def judge(run, outcome, ours, permitted=frozenset(), judged=True, untraced=False):
    """Everything but the behaviour. judged: whether a counted program's calls have to be accounted for.
    untraced: it may have run untraced."""
    verdict = Verdict(notices=outcome.notices)
    paths = [run.place.outside(TRACE)]
    for recording in run.left_recordings():
        if any(str(recording.name) in notice for notice in outcome.notices):
            ours = [entry for entry in ours if recording.name not in entry]
            paths.append(_converted(run, recording, verdict))
    for entry in ours:
        verdict.add(LEFT, entry)
    trace = traces.examine(paths)
    verdict.lines, verdict.lost = trace.lines, trace.counted_as_lost
    if trace.lost:  # what is missing is counted
        permitted = permitted | traces.LOSS
    if trace.bad(permitted):
        verdict.add(INVALID, trace.text(permitted))
    verdict.untraced = untraced and trace.lines == 0 and run.setup.judge is not None
    if run.setup.judge is not None and judged and not verdict.untraced:
        _account(run, trace, verdict)
    return verdict


def _converted(run, recording, verdict):
    into = run.place.outside(META) / f"{recording.name}.jsonl"
    done = subprocess.run([tool("telinject"), "convert", "-q", "-o", into, recording],
                          env=clean_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stderr:
        verdict.add(INVALID, f"telinject convert: status {done.returncode}, {done.stderr.strip()[:200]}")
    return into


def _account(run, trace, verdict):
    meta = run.place.outside(META)
    if run.setup.judge == "exact":
        counts = read_hook_file(meta / "counts") if (meta / "counts").exists() else {}
        verdict.calls = hook_total(counts)
        problems = compare(trace.entries, counts)
        missing = verdict.calls - trace.told
        if problems and not 0 < abs(missing) <= run.program.ending and (
                trace.counted_as_lost == 0 or "name" in problems.kinds):
            verdict.add(LOST, f"{verdict.calls} calls, {trace.told} told, {trace.counted_as_lost} counted as "
                              f"lost; {str(problems)[:600]}")
            return
    else:
        verdict.calls, = struct.unpack("=Q", (meta / "count").read_bytes()[:8])
    told, lost = trace.told, trace.counted_as_lost
    if totals := sorted(meta.glob("totals*")):  # the file of events could not hold all; FILE.PID: bare mode
        sums = [traces.calls_of_totals(json.loads(path.read_text())) for path in totals]
        told, lost = (sum(column) for column in zip(*sums, strict=True))
        lost = max(0, min(lost, verdict.calls - told))  # of lines that did not fit, the calls are told
    slack = run.killed * run.program.threads + run.program.ending
    if not -run.program.ending <= verdict.calls - told - lost <= slack:
        verdict.add(LOST, f"{verdict.calls} calls by the hook, {told} told, {lost} counted as lost "
                          f"({trace.lost}); {verdict.calls - told - lost} are missing, {slack} may be")
