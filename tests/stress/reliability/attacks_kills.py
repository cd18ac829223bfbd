"""Signals at random moments: to the program, to the drain, to telrun, to all."""

import signal
import time

from reliability import processes, traces
from reliability.attacks import Attack
from reliability.running import TELRUN, Setup

_ENTERING = ("unshare", "ip", "mount", "sh")  # of the place, before the program is there
_SIGNALS = {"KILL": signal.SIGKILL, "TERM": signal.SIGTERM, "INT": signal.SIGINT, "HUP": signal.SIGHUP,
            "QUIT": signal.SIGQUIT, "SEGV": signal.SIGSEGV}


def _moment(rng):
    """A share of the program's time; the beginning is the more interesting part."""
    return round(rng.uniform(0, 1.1) ** 1.5, 3)


def _choose(*names):
    return lambda rng: {"moment": _moment(rng), "signal": rng.choice(names), "pick": rng.random(),
                        "pause": round(rng.uniform(0, 1.5), 2)}


def _wait(run, chosen, seconds):
    """For the chosen moment after the program's start; False if the run has ended before."""
    run.find(lambda mark: processes.drains(mark) or [1 for _, name in processes.of_program(mark)
                                                     if name == "bash"])
    return run.sleep(chosen["moment"] * seconds)


def _kill_program(run, chosen, seconds):
    """One process of the program; the others are killed if they do not end by themselves then."""
    if not _wait(run, chosen, seconds):
        return
    found = [pid for pid, name in sorted(processes.of_program(run.mark)) if name not in _ENTERING]
    if found:
        run.kill([found[int(chosen["pick"] * len(found))]], _SIGNALS[chosen["signal"]])
    run.patience = min(run.patience, 3 * seconds + 10 * run.installation.slowness)


def _kill_drain(run, chosen, seconds):
    drains = run.find(processes.drains)
    if not run.sleep(chosen["moment"] * seconds):
        drains = processes.drains(run.mark)
    for pid in drains:
        processes.send(pid, _SIGNALS[chosen["signal"]])


def _stop(find):
    def act(run, chosen, seconds):
        if not _wait(run, chosen, seconds):
            return
        found = find(run.mark)
        for pid in found:
            processes.send(pid, signal.SIGSTOP)
        time.sleep(chosen["pause"])
        for pid in reversed(found):
            processes.send(pid, signal.SIGCONT)
    return act


def _all(mark):
    return [pid for pid, _ in processes.of_mark(mark)]


def _kill_telrun(run, chosen, seconds):
    """The program is killed with it, says shim/cli/README.md."""
    found = run.find(processes.telruns)
    _wait(run, chosen, seconds)
    program = len(processes.of_program(run.mark))
    if found and any(processes.send(pid, signal.SIGKILL) for pid in found):
        run.killed += program


def _signal_telrun(run, chosen, seconds):
    """Passed on to the program; after its end telrun stops waiting for what is to be written."""
    found = run.find(processes.telruns)
    _wait(run, chosen, seconds)
    if any(processes.send(pid, _SIGNALS[chosen["signal"]]) for pid in found):
        run.killed += len(processes.of_program(run.mark))
    run.patience = min(run.patience, 3 * seconds + 10 * run.installation.slowness)


def _interrupt_waiting(run, chosen, seconds):
    """telrun while it waits for the drain: what is left has to be a recording that can be converted."""
    drains = run.find(processes.drains)
    for pid in drains:
        processes.send(pid, signal.SIGSTOP)
    until = time.monotonic() + run.patience
    while processes.of_program(run.mark) and time.monotonic() < until and run.process.poll() is None:
        time.sleep(0.01)
    time.sleep(chosen["pause"] / 5)
    for pid in processes.telruns(run.mark):
        processes.send(pid, _SIGNALS[chosen["signal"]])
    for pid in drains:
        processes.send(pid, signal.SIGCONT)


def _small_queue(chosen, way):
    return Setup(environment={"TELEMETRY_QUEUE_BYTES": "1048576", "TELEMETRY_SPOOL_MAX": "0"})


ATTACKS = [
    Attack("kill the program", _choose("KILL", "KILL", "TERM", "INT", "HUP", "SEGV", "QUIT"),
           act=_kill_program, behaviour="any"),
    Attack("kill the drain", _choose("KILL"), act=_kill_drain, permitted=traces.CUT, judged=False),
    Attack("end the drain", _choose("TERM", "INT", "HUP", "QUIT"), act=_kill_drain, permitted=traces.CUT,
           judged=False),
    Attack("stop the drain", _choose("KILL"), act=_stop(processes.drains)),
    Attack("stop the drain, small queue", _choose("KILL"), _small_queue, _stop(processes.drains)),
    Attack("stop the program", _choose("KILL"),
           act=_stop(lambda mark: [pid for pid, name in processes.of_program(mark)
                                   if name not in _ENTERING])),
    Attack("stop everything", _choose("KILL"), act=_stop(_all)),
    Attack("stop telrun", _choose("KILL"), act=_stop(processes.telruns), ways=(TELRUN,)),
    Attack("kill telrun", _choose("KILL"), act=_kill_telrun, ways=(TELRUN,), behaviour="any"),
    Attack("signal telrun", _choose("TERM", "INT", "HUP", "QUIT"), act=_signal_telrun, ways=(TELRUN,),
           behaviour="any"),
    Attack("interrupt the writing", _choose("TERM", "INT"), act=_interrupt_waiting, ways=(TELRUN,)),
]
