"""What the campaign found: a line for each finding, a summary, and the tables of docs/reliability.md."""

import os
import platform
from collections import Counter, defaultdict
from pathlib import Path

from reliability.judging import BEHAVIOUR, INVALID, KINDS, LEFT, LOST
from reliability.running import PRELOAD, TELRUN, UNTRACED
from reliability.tasks import PLAIN
from teltest.run import REPOSITORY

DOCUMENT = REPOSITORY / "docs/reliability.md"
BEGIN, END = "<!-- written by tests/stress/campaign --write-docs -->\n", "<!-- end -->\n"
CAMPAIGN = "campaign"  # a finding of this kind is a fault of the campaign's own
WAYS = (UNTRACED, TELRUN, PRELOAD)


def finding_lines(result):
    chosen = ", ".join(f"{key} {value}" for key, value in result.chosen.items())
    for kind, way, text, kept in result.findings:
        where = f"\n  kept in {kept}" if kept else ""
        body = "\n  ".join(text.splitlines())
        yield (f"task {result.task}: {kind}: {result.program}, {result.attack} ({chosen}), {way}: "
               f"{body}{where}")


class Row:
    def __init__(self):
        self.tasks = 0
        self.runs = Counter()
        self.found = Counter()
        self.lines = self.calls = self.lost = self.untraced = 0

    def add(self, result):
        self.tasks += 1
        self.runs.update(result.runs)
        self.found.update(kind for kind, *_ in result.findings)
        self.lines += result.lines
        self.calls += result.calls
        self.lost += result.lost
        self.untraced += result.untraced


class Summary:
    def __init__(self, command, missing, impossible):
        self.command, self.missing, self.impossible = command, missing, impossible
        self.all = Row()
        self.programs, self.attacks = defaultdict(Row), defaultdict(Row)
        self.forms = {}
        self.minutes = 0.0
        self.sanitizer = []

    def add(self, result):
        for row in (self.all, self.programs[result.program], self.attacks[result.attack]):
            row.add(result)
        if result.forms:
            self.forms[result.program] = result.forms

    def complete(self):
        """Programs that ran untraced and in both ways with the default settings."""
        return [name for name in self.forms if all(self.programs[name].runs[way] for way in WAYS)]

    def status(self, least):
        found = sum(self.all.found.values()) + len(self.sanitizer)
        if len(self.complete()) < least:
            print(f"campaign: {len(self.complete())} programs ran in all ways; there have to be {least}")
            return 1
        return 1 if found else 0

    # Text.

    def _figures(self):
        found = self.all.found
        compared = Counter(form for forms in self.forms.values() for part, form in forms.items()
                           if part in ("out", "err"))
        yield "duration", f"{self.minutes:.0f} minutes"
        yield "machine", f"{os.cpu_count()} processors, Linux {platform.release()}"
        yield "programs that ran in all ways", str(len(self.complete()))
        yield "programs that are not installed", ", ".join(sorted(self.missing)) or "none"
        if self.impossible:
            yield "attacks that this machine does not allow", ", ".join(self.impossible)
        yield "runs", ", ".join(f"{self.all.runs[way]:,} {name}" for way, name in (
            (UNTRACED, "untraced"), (TELRUN, "under telrun"), (PRELOAD, "with a bare LD_PRELOAD")))
        attacks = self.all.tasks - self.attacks[PLAIN].tasks
        yield "of the traced runs, attacked", f"{attacks:,}, in {len(self.attacks) - 1} ways"
        yield "of those, untraced because of a limit", str(self.all.untraced)
        yield "outputs compared", ", ".join(f"{count} by {form}" for form, count in compared.most_common())
        yield "lines of events checked", f"{self.all.lines:,}"
        yield "calls counted by the independent hook", f"{self.all.calls:,}; {self.all.lost:,} told as lost"
        yield "**changes of behaviour**", str(found[BEHAVIOUR])
        yield "**events lost uncounted** (runs)", str(found[LOST])
        yield "**invalid outputs**", str(found[INVALID])
        yield "**left behind** (processes, folders, files)", str(found[LEFT])
        yield "**sanitizer findings**", str(len(self.sanitizer)) if "--drain" in self.command else "not tried"
        if found[CAMPAIGN]:
            yield "faults of the campaign's own", str(found[CAMPAIGN])

    def text(self):
        lines = [f"{name:45} {figure}" for name, figure in self._figures()]
        lines += [f"sanitizer: {path}: {line}" for path, line in self.sanitizer]
        for title, table in (("attacks", self.attacks), ("programs", self.programs)):
            bad = {name: row for name, row in table.items() if row.found}
            lines += [f"{title}: {name}: {dict(row.found)} in {row.tasks} tasks" for name, row in bad.items()]
        return "\n".join(lines)

    def markdown(self):
        lines = [f"    {self.command}", "", "| what | figure |", "|---|---|"]
        lines += [f"| {name} | {figure} |" for name, figure in self._figures()]
        lines += ["", *_table("settings or attack", self.attacks)]
        lines += ["", *_table("program", self.programs)]
        return "\n".join(lines) + "\n"


def _table(first, rows):
    yield f"| {first} | untraced | telrun | preload | " + " | ".join(KINDS) + " |"
    yield "|---|" + "---|" * (3 + len(KINDS))
    for name in sorted(rows, key=lambda name: (name != PLAIN, name)):
        row = rows[name]
        cells = [name, *(str(row.runs[way]) for way in WAYS), *(str(row.found[kind]) for kind in KINDS)]
        yield "| " + " | ".join(cells) + " |"


def write_docs(summary):
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or END not in rest:
        raise SystemExit(f"campaign: {Path(DOCUMENT).name} lacks the lines between which the table belongs")
    DOCUMENT.write_text(before + BEGIN + "\n" + summary.markdown() + "\n" + END + after)
