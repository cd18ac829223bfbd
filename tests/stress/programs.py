"""The programs that nothing_lost and own_time run: SQLite's demo, and the benchmark's Lua, JSON and fib; how
often each calls what, by an independent count."""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import demo  # noqa: E402
from measure import run  # noqa: E402
from teltest.counts import read_hook_file  # noqa: E402
from teltest.names import functions_at  # noqa: E402
from teltest.run import count_hook  # noqa: E402
from workloads import Workshop, json_parser, lua, tiny  # noqa: E402

FIB = 30
_MAKE = {"lua": lua, "json": json_parser, "fib": lambda workshop: tiny(workshop, FIB)}
NAMES = ("sqlite", *_MAKE)


@dataclass
class Program:
    name: str
    command: list
    stdin: Path | None


def programs_of(text, folder, timed=False):
    """Those that the text names, separated by commas; all without one. timed: with time_main.c in each."""
    names = text.split(",") if text else NAMES
    for name in names:
        if name not in NAMES:
            sys.exit(f"{Path(sys.argv[0]).name}: there is no program {name}; there are {', '.join(NAMES)}")
    workshop = Workshop(folder)
    made = []
    for name in names:
        if name == "sqlite":
            command = demo.timed_demo(folder) if timed else demo.build_demo()
            made.append(Program(name, command, demo.QUERY))
        else:
            workload = _MAKE[name](workshop)
            # Lua keeps strings in a cache by their addresses: what it calls depends on them.
            prefix = ["setarch", "--addr-no-randomize"] if name == "lua" else []
            made.append(Program(name, [*prefix, workload.traced, *workload.arguments], None))
    return made


class Expected:
    """A program's calls by function, as tests/apps/count_hook.c counts them: the same in every run."""

    def __init__(self, program, folder):
        counts = folder / f"{program.name}.counts"
        counts.unlink(missing_ok=True)
        run(program.command, stdin=program.stdin, LD_PRELOAD=count_hook(), COUNT_HOOK_FILE=counts)
        self.calls = Counter()
        self._name = {}  # several symbols may share an address
        for (_, module, address), count in read_hook_file(counts).items():
            symbols = sorted(linkage for linkage, _ in functions_at(module)[address])
            self._name |= dict.fromkeys(symbols, symbols[0])
            self.calls[symbols[0]] += count

    def total(self):
        return self.calls.total()

    def missing(self, totals):
        """{function: calls that the totals lack, negative if they have too many}"""
        counted = Counter()
        for function in totals["functions"]:
            linkage = function.get("mangled_name", function["function_name"])
            counted[self._name.get(linkage, linkage)] += function["calls"]
        return {name: self.calls[name] - counted[name] for name in self.calls.keys() | counted.keys()
                if self.calls[name] != counted[name]}
