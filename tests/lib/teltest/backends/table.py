"""docs/backends.md: a section for each backend, written by the run of it. Sections of others stay."""

import re

_HEAD = """# Backends

`scripts/backends --write NAME...` writes a backend's section: it builds the backend, starts it, traces
the programs below, sends, asks the backend for what it has, and compares each item: ids, parent,
times, status, attributes, resource. A field is the number of items that were sent and came back equal.

| trace | is |
|---|---|
| sqlite | SQLite's shell with three statements |
| exceptions | exceptions through five frames |
| crash | a segmentation fault ten calls deep |
| http | a client (libcurl) asks nginx, which asks a server in C++; all three traced |

What backends keep otherwise than it was sent is said below each, and is compared with that.
[export.md](export.md) has the mapping and the settings.
"""


def _section(backend, rows, size_mb, memory_mb):
    traces = list(dict.fromkeys(trace for _, trace, _, _ in rows))
    lines = [f"## {backend.TITLE} {backend.VERSION}", "",
             f"`scripts/backends {backend.NAME}`: {backend.HOW}; {size_mb:.0f} MB on the disk, at most "
             f"{memory_mb:.0f} MB of memory. Fields: {backend.COUNTS}.", "",
             f"| sent as | {' | '.join(traces)} |", "|---" + "|---:" * len(traces) + "|"]
    for form in dict.fromkeys(form for form, _, _, _ in rows):
        fields = [_field(count, problems) for trace in traces
                  for had, of, count, problems in rows if (had, of) == (form, trace)]
        lines.append(f"| {form} | {' | '.join(fields)} |")
    if backend.NOTE:
        lines += ["", backend.NOTE]
    return "\n".join(lines) + "\n"


def _field(count, problems):
    return f"{count:,} equal" if not problems else f"{count:,}, **{len(problems):,} problems**"


def write(path, ran, order):
    """ran: {name: (backend, rows, MB on the disk, MB of memory)}; order: all names."""
    sections = {}
    if path.exists():
        for text in re.split(r"(?m)^(?=## )", path.read_text())[1:]:
            sections[re.search(r"`scripts/backends (\S+)`", text)[1]] = text.rstrip() + "\n"
    sections |= {name: _section(*facts) for name, facts in ran.items()}
    path.write_text("\n".join([_HEAD, *(sections[name] for name in order if name in sections)]))
