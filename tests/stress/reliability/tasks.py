"""One task of the campaign: a program in both ways with the default settings, or one attack on a run of it.

What a task does follows from the seed and its number alone, so that it can be repeated.
"""

import pickle
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from reliability.attacks import all_attacks
from reliability.cgroups import Group
from reliability.judging import BEHAVIOUR, judge
from reliability.outcome import Expected
from reliability.running import TRACED, UNTRACED, Run, Setup

PLAIN = "default settings"
UNSTABLE_TRIES = 4


@dataclass
class Task:
    number: int
    program: object
    attack: str | None  # None: default settings, both ways
    way: str | None


@dataclass
class Result:
    task: int
    program: str
    attack: str
    chosen: dict = field(default_factory=dict)
    runs: dict = field(default_factory=dict)      # way: runs
    findings: list = field(default_factory=list)  # (kind, way, text, folder with what was kept)
    lines: int = 0
    calls: int = 0
    lost: int = 0
    untraced: int = 0                             # traced runs that a limit made untraced
    notices: list = field(default_factory=list)   # (way, text)
    forms: dict = field(default_factory=dict)     # part: how strictly it could be compared


def schedule(seed, programs, attacks):
    """Task after task, without end: each round has all programs once plainly, and an attack between two."""
    number = 0
    while True:
        order = random.Random(f"{seed}:{number}")
        turn = list(programs)
        order.shuffle(turn)
        victims = [program for program in programs if program.judge is not None] or programs
        for program in turn:
            yield Task(number, program, None, None)
            number += 1
            if attacks:
                chance = random.Random(f"{seed}:{number}")
                attack = attacks[chance.choice(sorted(attacks))]
                victim = chance.choice(victims if chance.random() < 0.5 else programs)
                yield Task(number, victim, attack.name, chance.choice(attack.ways))
                number += 1


class Worker:
    def __init__(self, place, installation, folder, seed):
        self.place, self.installation, self.folder, self.seed = place, installation, Path(folder), seed
        self.attacks = all_attacks()

    def run(self, task):
        result = Result(task.number, task.program.name, task.attack or PLAIN)
        if task.attack is None:
            self._plain(task, result)
        else:
            self._attacked(task, result)
        self.place.remove()
        return result

    # One run.

    def _once(self, task, way, result, setup=None, act=None):
        run = Run(self.place, self.installation, task.program, way, setup).start()
        end = act(run) if act is not None else None
        try:
            outcome, ours = run.finish()
        finally:
            if end is not None:
                end()
        result.runs[way] = result.runs.get(way, 0) + 1
        return run, outcome, ours

    def _untraced(self, task, result, setup=None):
        return self._once(task, UNTRACED, result, setup)[1]

    def _expected(self, task, result):
        """What the program does untraced, by two runs that are made once in a campaign."""
        path = self.folder / "learned" / f"{task.program.name.replace('/', '_')}.pickle"
        if path.exists():
            return pickle.loads(path.read_bytes())
        expected = Expected([self._untraced(task, result), self._untraced(task, result)])
        self._remember(path, expected)
        return expected

    @staticmethod
    def _remember(path, expected):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{id(expected)}")
        new.write_bytes(pickle.dumps(expected))
        new.rename(path)

    # Tasks.

    def _plain(self, task, result):
        expected = self._expected(task, result)
        for way in TRACED:
            setup = Setup(judge=task.program.judge)
            run, outcome, ours = self._once(task, way, result, setup)
            verdict = judge(run, outcome, ours)
            for notice in outcome.notices:
                verdict.add(BEHAVIOUR, f"a line on standard error: {notice}")
            kept = self._keep(run, task, way) if verdict.findings or expected.differences(outcome) else None
            self._compare(task, result, expected, outcome, verdict, lambda: self._untraced(task, result))
            self._note(result, verdict, way, kept)
        result.forms = expected.forms

    def _attacked(self, task, result):
        attack = self.attacks[task.attack]
        rng = random.Random(f"{self.seed}:{task.number}:attack")
        result.chosen = attack.choose(rng)
        seconds = self._expected(task, result).seconds

        def untraced():
            return self._untraced(task, result, attack.setup(result.chosen, UNTRACED))

        limited = attack.behaviour == "limits"
        expected = Expected([untraced(), untraced()]) if limited else self._expected(task, result)
        setup = attack.setup(result.chosen, task.way)
        setup.judge = "shared" if task.program.judge and attack.judged else None
        run, outcome, ours = self._once(task, task.way, result, setup,
                                        lambda run: attack.act(run, result.chosen, seconds))
        verdict = judge(run, outcome, ours, attack.permitted, attack.judged, attack.untraced)
        differs = attack.behaviour != "any" and expected.differences(outcome)
        kept = self._keep(run, task, task.way) if verdict.findings or differs else None
        if attack.behaviour != "any":
            self._compare(task, result, expected, outcome, verdict,
                          untraced if limited else lambda: self._untraced(task, result))
        self._note(result, verdict, task.way, kept)

    def _compare(self, task, result, expected, outcome, verdict, untraced):
        """A difference counts unless untraced runs show that the program has it by itself."""
        for _ in range(UNSTABLE_TRIES):
            if not expected.differences(outcome):
                return
            expected.learn(untraced())
        for difference in expected.differences(outcome):
            verdict.add(BEHAVIOUR, difference)

    def _keep(self, run, task, way):
        folder = self.folder / "kept" / f"{task.number}-{way}"
        run.keep(folder)
        return str(folder)

    def _note(self, result, verdict, way, kept):
        result.findings += [(kind, way, text, kept) for kind, text in verdict.findings]
        if kept is not None and not verdict.findings:
            shutil.rmtree(kept, ignore_errors=True)
        result.lines += verdict.lines
        result.calls += verdict.calls
        result.lost += verdict.lost
        result.untraced += verdict.untraced
        result.notices += [(way, notice) for notice in verdict.notices]


def available(attacks):
    """({name: Attack} that this machine allows, [names of the others])"""
    controllers = {"few processes": "pids", "little memory": "memory"}
    missing = [name for name, controller in controllers.items() if not Group.can_be_made(controller)]
    return {name: attack for name, attack in attacks.items() if name not in missing}, missing
