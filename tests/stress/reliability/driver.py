"""The campaign's course: what can run, task after task on several workers, the report."""

import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from itertools import islice, takewhile

from reliability import place, report, tasks
from reliability.attacks import all_attacks
from reliability.cgroups import Group
from reliability.installation import Installation
from reliability.programs import all_installed, counted
from teltest.run import build_directory

LEAST_PROGRAMS = 60
_worker = None


def _say(text):
    print(f"campaign: {text}", file=sys.stderr, flush=True)


def _start_worker(kind, folder, seed):
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver's: a worker finishes its task
    installation = Installation(kind, folder)
    _worker = tasks.Worker(place.Place(folder / f"job-{os.getpid()}"), installation, folder, seed)


def _do(task):
    try:
        return _worker.run(task)
    except Exception:  # noqa: BLE001 a fault of the campaign's own: told, and the others go on
        return tasks.Result(task.number, task.program.name, task.attack or tasks.PLAIN,
                            findings=[("campaign", task.way, traceback.format_exc(), None)])


def _chosen(names, known, what):
    """Those that an option names, separated by commas; all without one."""
    if names is None:
        return list(known)
    wanted = [name for name in names.split(",") if name not in ("", "none")]
    for name in wanted:
        if name not in known:
            sys.exit(f"campaign: there is no {what} {name}; --list prints them")
    return wanted


def _programs(names):
    """([Program], {name: [what is missing]}) of those that are wanted."""
    installed, missing = all_installed()
    known = {program.name: program for program in installed}
    wanted = _chosen(names, [*known, *missing, *counted.NAMES], "program")
    made, failed = counted.make(wanted, _say)
    known |= {program.name: program for program in made}
    missing = {name: what for name, what in (missing | failed).items() if name in wanted}
    return [known[name] for name in wanted if name in known], missing


def _list():
    installed, missing = all_installed()
    print("programs:", *sorted([*(program.name for program in installed), *counted.NAMES]), sep="\n  ")
    print("not installed:", *(f"{name}: {', '.join(what)}" for name, what in missing.items()), sep="\n  ")
    print("attacks:", *all_attacks(), sep="\n  ")


def _task_list(options, programs, attacks):
    endless = tasks.schedule(options.seed, programs, attacks)
    if options.attacks_only:
        endless = (task for task in endless if task.attack is not None)
    if options.tasks is None:
        return endless
    numbers = {int(number) for number in options.tasks.split(",")}
    return [task for task in takewhile(lambda task: task.number <= max(numbers), endless)
            if task.number in numbers]


def _run_all(options, folder, work, until, done):
    """Keeps the workers busy until the time is over."""
    work = iter(work)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, initializer=_start_worker,
                             initargs=(options.drain, folder, options.seed)) as pool:
        running = {pool.submit(_do, task) for task in islice(work, options.jobs)}
        try:
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    done(future.result())
                if time.monotonic() < until:
                    running |= {pool.submit(_do, task) for task in islice(work, len(finished))}
        except KeyboardInterrupt:
            _say("interrupted: the tasks that run are waited for")
            for future in running:
                done(future.result())


def run(options, arguments):
    if options.list:
        _list()
        return 0
    refusal = place.refusal()
    if refusal:
        sys.exit(f"campaign: {refusal}")
    folder = build_directory() / "campaign"
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "lock", "w", encoding="ascii")  # noqa: SIM115 held until we end
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"campaign: another campaign runs in {folder}; TELINJECT_BUILD names another build tree")
    for old in [folder / "kept", folder / "learned", *folder.glob("job-*")]:
        shutil.rmtree(old, ignore_errors=True)
    Group.remove_stale()
    # As a background command of a shell it would ignore SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    installation = Installation.prepare(options.drain, folder)
    programs, missing = _programs(options.only)
    attacks, impossible = tasks.available(all_attacks())
    attacks = {name: attacks[name] for name in _chosen(options.attacks, attacks, "attack")}
    summary = report.Summary(" ".join(["tests/stress/campaign", *arguments]), missing, impossible)
    start = time.monotonic()
    with open(folder / "results.jsonl", "w", encoding="utf-8") as log:
        def done(result):
            summary.add(result)
            log.write(json.dumps(asdict(result)) + "\n")
            log.flush()
            for text in report.finding_lines(result):
                print(text, flush=True)

        work = _task_list(options, programs, attacks)
        _run_all(options, folder, work, start + options.minutes * 60, done)
    summary.minutes = (time.monotonic() - start) / 60
    summary.sanitizer = installation.sanitizer_reports()
    print(summary.text())
    if options.write_docs:
        report.write_docs(summary)
    for job in folder.glob("job-*"):
        shutil.rmtree(job, ignore_errors=True)
    least = options.least if options.least is not None else (
        0 if options.only or options.tasks else LEAST_PROGRAMS)
    return summary.status(least)
