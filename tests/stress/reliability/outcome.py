"""What a run showed, and whether another showed the same.

Programs print times, process ids and what comes first of two. Two untraced runs tell for each part (status,
standard output, standard error, descriptors, files) how strictly it can be compared: the first of FORMS in
which they agree.
"""

import difflib
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field

PARTS = ("status", "out", "err", "descriptors", "files", "left")


@dataclass
class Outcome:
    status: int            # as subprocess has it: negative is the signal; None: it did not end in time
    out: bytes
    err: bytes             # without the lines that telinject wrote
    descriptors: bytes
    files: dict            # of its working directory and home. path: kind, mode, digest
    left: list             # processes, and files in temporary folders, that the program left
    notices: list = field(default_factory=list)  # the lines that telinject wrote
    seconds: float = 0.0


def lines_of(outcome, part, changing=()):
    """changing: files of which only the name counts."""
    value = getattr(outcome, part)
    if part == "status":
        return [str(value).encode()]
    if part == "files":
        return [(path if path in changing else f"{path}: {what}").encode()
                for path, what in sorted(value.items())]
    if part == "left":
        return [line.encode() for line in value]
    return value.splitlines()


def _numbers(lines):
    return [re.sub(rb"\b0x[0-9a-f]+|\b[0-9a-f]{12,}\b|\d+", b"N", line) for line in lines]


def _words(lines):
    """Also random names, as mktemp makes them."""
    return [re.sub(rb"[./_-][A-Za-z0-9]{6,10}(?=$|[/ ':])", b".R", line) for line in _numbers(lines)]


FORMS = {
    "exact": lambda lines: lines,
    "numbers": _numbers,
    "any order": lambda lines: sorted(_numbers(lines)),
    "kinds of lines": lambda lines: sorted(set(_words(lines))),
    "number of lines": lambda lines: [str(len(lines)).encode()],
    "nothing": lambda lines: [],
}


class Expected:
    """Learned from untraced runs."""

    def __init__(self, outcomes):
        self.outcomes = list(outcomes)
        first, *others = (outcome.files for outcome in self.outcomes)
        self._changing = {path for path in first for other in others if first[path] != other.get(path)}
        self.forms = {part: self._form(part) for part in PARTS}
        self.seconds = min(outcome.seconds for outcome in self.outcomes)

    def learn(self, outcome):
        self.__init__([*self.outcomes, outcome])

    def _form(self, part):
        for name, form in FORMS.items():
            first, *others = (form(lines_of(outcome, part, self._changing)) for outcome in self.outcomes)
            if all(other == first for other in others):
                return name
        return "nothing"

    def differences(self, outcome):
        """Texts, one for each part that is not as it was untraced."""
        found = []
        for part in PARTS:
            form = FORMS[self.forms[part]]
            before, after = (form(lines_of(each, part, self._changing))
                             for each in (self.outcomes[0], outcome))
            if before != after:
                texts = [[line.decode(errors="replace")[:300] for line in lines] for lines in (before, after)]
                lines = difflib.unified_diff(*texts, f"{part} untraced", f"{part} traced", lineterm="", n=0)
                found.append("\n".join(list(lines)[:14]))
        return found


def split_notices(err):
    """(what the program wrote, [lines that telinject or telrun wrote])"""
    own, notices = [], []
    for line in err.splitlines(keepends=True):
        if line.startswith((b"telrun: ", b"telinject: ")):
            notices.append(line.decode(errors="replace").rstrip("\n"))
        else:
            own.append(line)
    return b"".join(own), notices


def files_below(*folders):
    found = {}
    for folder in folders:
        for path, names, files in os.walk(folder):
            for name in [*names, *files]:
                full = os.path.join(path, name)
                found[os.path.relpath(full, folder)] = _what(full)
    return found


def _what(path):
    try:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            return "link to " + os.readlink(path)
        if not stat.S_ISREG(info.st_mode):
            return stat.filemode(info.st_mode)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        # Letters only, so that a digest does not look like a number that may differ.
        return stat.filemode(info.st_mode) + " " + digest.translate(str.maketrans("0123456789", "ghijklmnop"))
    except FileNotFoundError:
        return "gone"
