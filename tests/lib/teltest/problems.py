"""What is wrong with a trace: counted by kind, the first few of each kept in full.

A broken trace of a million events can have a million problems; nobody reads more than some of each
kind, and keeping all of them would need more memory than the trace.
"""


class Problems:
    def __init__(self, keep=5):
        self.keep = keep
        self.counts = {}
        self.examples = {}

    def add(self, kind, text, line=None):
        """`kind` is a short stable name that tests assert on; `line` counts from 1."""
        count = self.counts.get(kind, 0)
        self.counts[kind] = count + 1
        if count < self.keep:
            where = f"line {line}: " if line is not None else ""
            self.examples.setdefault(kind, []).append(where + text)

    def merge(self, counts, examples):
        for kind, count in counts.items():
            self.counts[kind] = self.counts.get(kind, 0) + count
            kept = self.examples.setdefault(kind, [])
            kept.extend(examples.get(kind, [])[: self.keep - len(kept)])

    @property
    def kinds(self):
        return set(self.counts)

    def __len__(self):
        return sum(self.counts.values())

    def __bool__(self):
        return bool(self.counts)

    def __str__(self):
        lines = []
        for kind, count in self.counts.items():
            lines.append(f"{kind}: {count}")
            lines.extend(f"  {text}" for text in self.examples.get(kind, []))
            if count > len(self.examples.get(kind, [])):
                lines.append(f"  ... and {count - len(self.examples.get(kind, []))} more")
        return "\n".join(lines)
