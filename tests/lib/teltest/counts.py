"""Entries per function: the trace's against those of an independent counting hook.

The hook (tests/apps/count_hook.c) is preloaded before telinject's library, counts every call of
__cyg_profile_func_enter by function address and passes it on. At the end of a process it appends
lines "pid <tab> module path <tab> address as nm prints it, in hex <tab> count".
"""

import os
from collections import Counter

from teltest.names import functions_at
from teltest.problems import Problems


class EntryCounter:
    """feed() it every event; counts function_entry by (pid, module file, linkage name)."""

    def __init__(self):
        self.entries = Counter()
        self.names = {}  # (module file, linkage name) -> function_name

    def feed(self, event):
        if event["event_type"] != "function_entry":
            return
        attributes = event["attributes"]
        name = event["function_name"]
        linkage = attributes.get("mangled_name", name)
        module = os.path.basename(attributes.get("module", "?"))
        self.entries[event["process"]["pid"], module, linkage] += 1
        self.names[module, linkage] = name

    def total(self):
        return self.entries.total()


def read_hook_file(path):
    """{(pid, module path, address): count}"""
    counts = Counter()
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            pid, module, address, count = line.rstrip("\n").split("\t")
            counts[int(pid), module, int(address, 16)] += int(count)
    return counts


def compare(counter, hook_counts):
    """Problems: "count" where the numbers of a function differ, "name" where nm has another."""
    problems = Problems(keep=20)
    expected = Counter()
    names = {}
    modules = {}  # (pid, linkage name) -> module files that the trace has it in
    for pid, file, linkage in counter.entries:
        modules.setdefault((pid, linkage), []).append(file)
    paths = {os.path.basename(path): path for _, path, _ in hook_counts}
    for (pid, module, address), count in hook_counts.items():
        symbols = functions_at(module).get(address, []) if os.path.exists(module) else []
        file = os.path.basename(module)
        if not symbols:
            problems.add("unknown", f"{count} calls of {module}+{address:#x}: nm has no symbol")
            continue
        # Several symbols can share an address: take the one that the trace chose, if it did.
        linkage, name = next((symbol for symbol in symbols
                              if (pid, file, symbol[0]) in counter.entries), symbols[0])
        # clang instruments libc's inline functions (tolower) where they are inlined, and passes the
        # address of libc's own: the trace has them in the module that they run in.
        if (pid, file, linkage) not in counter.entries:
            elsewhere = [key for key in modules.get((pid, linkage), ())
                         if linkage not in _linkage_names(key, paths)]
            if len(elsewhere) == 1:
                file = elsewhere[0]
        expected[pid, file, linkage] += count
        names.setdefault((file, linkage), set()).add(name)
    for key in expected.keys() | counter.entries.keys():
        pid, file, linkage = key
        if expected[key] != counter.entries[key]:
            problems.add("count", f"{linkage} in {file}, process {pid}: {expected[key]} calls, "
                                  f"{counter.entries[key]} entry events")
    for (file, linkage), name in counter.names.items():
        if (file, linkage) in names and name not in names[file, linkage]:
            known = " or ".join(sorted(names[file, linkage]))
            problems.add("name", f"{linkage} in {file} is called {name}, by nm {known}")
    return problems


def _linkage_names(file, paths):
    path = paths.get(file)
    if path is None or not os.path.exists(path):
        return set()
    return {linkage for symbols in functions_at(path).values() for linkage, _ in symbols}


def hook_total(hook_counts):
    return sum(hook_counts.values())
