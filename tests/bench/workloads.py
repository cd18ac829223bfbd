"""The programs of the benchmark, each built plain, instrumented by gcc, and with clang's XRay."""

import json
import random
import shutil

from measure import BUILD, REPOSITORY, SOURCES, run
from teltest.run import build, build_object

# Calls are not to be optimised away, so that the plain program makes them, too.
ALL_CALLS = ["-O2", "-fno-inline", "-fno-optimize-sibling-calls"]
ONLY_GCC = ["-fno-ipa-cp", "-fno-ipa-sra"]


class Workshop:
    """Where the programs and the floor's hooks come from: what was built once is kept with the tests'."""

    def __init__(self, folder):
        self.folder = folder
        self.hooks = {}
        for kind in "RECORD", "WIDE", "READ", "COUNT", "EMPTY":
            flags = ("-O2", "-fPIC", f"-DFLOOR_{kind}")
            self.hooks[kind] = build(f"floor-{kind.lower()}.so", [SOURCES / "floor.c"], "gcc", flags,
                                     ("-shared", "-lpthread"), instrument=False)
        timer = build_object(SOURCES / "time_main.c", "gcc", ("-O2",), instrument=False)
        self.timing = (timer, "-Wl,--wrap=main")

    def program(self, name, compiler, sources, flags, libraries):
        return build(name, sources, compiler, ("-w", *flags), ("-rdynamic", *flags, *self.timing, *libraries),
                     instrument=False)


class Workload:
    """plain, traced: programs of gcc's. clang, xray: of clang's, None without XRay's runtime."""

    def __init__(self, workshop, name, sources, flags, libraries, arguments, only_gcc=(),
                 xray=False):
        self.name = name
        self.arguments = [str(argument) for argument in arguments]

        def made(kind, compiler, *extra):
            return workshop.program(f"{name}-{kind}", compiler, sources, [*flags, *extra], libraries)

        self.plain = made("plain", "gcc", *only_gcc)
        self.traced = made("instrumented", "gcc", *only_gcc, "-finstrument-functions")
        self.calls = self._count(workshop, self.traced)
        self.clang = self.xray = None
        if xray:
            # XRay instruments what is left after inlining; so does this, which can be counted.
            self.clang = made("clang", "clang")
            self.xray = made("xray", "clang", "-fxray-instrument", "-fxray-instruction-threshold=1")
            counted = made("counted", "clang", "-finstrument-functions-after-inlining")
            self.xray_calls = self._count(workshop, counted)

    def _count(self, workshop, program):
        count = workshop.folder / "count"
        run([program, *self.arguments], LD_PRELOAD=workshop.hooks["COUNT"], FLOOR_COUNT_FILE=count)
        return int(count.read_text())


def tiny(workshop, n, **options):
    return Workload(workshop, "tiny", [SOURCES / "tiny.c"], ALL_CALLS, ["-lpthread"], [n], only_gcc=ONLY_GCC,
                    **options)


def fetched(name, witness):
    folder = BUILD / "sources" / name
    if not (folder / witness).exists():
        shutil.rmtree(folder, ignore_errors=True)
        run([REPOSITORY / "scripts/fetch-sources", name])
    return folder


def sqlite(workshop, **options):
    folder = fetched("sqlite3", "speedtest1.c")
    return Workload(workshop, "sqlite", [folder / "sqlite3.c", folder / "speedtest1.c"], ["-O2"],
                    ["-lm", "-ldl", "-lpthread"], ["--size", 1, ":memory:"], **options)


def lua(workshop, **options):
    folder = fetched("lua5.4", "src/lua.c") / "src"
    sources = sorted(path for path in folder.glob("*.c") if path.name not in ("luac.c", "ltests.c"))
    # Without a seed of its own its tables differ from run to run, and so do the calls.
    return Workload(workshop, "lua", sources, ["-O2", "-DLUA_USE_LINUX", "-Dluai_makeseed(L)=42"],
                    ["-lm", "-ldl"], [SOURCES / "work.lua", 12000], **options)


def json_parser(workshop, **options):
    text = workshop.folder / "input.json"
    text.write_text(json.dumps(records(40_000)))
    return Workload(workshop, "json", [SOURCES / "json_work.cpp"], ["-O2", "-std=c++20"], [], [text, 1],
                    **options)


def records(size):
    """What a service may have to say, of about that many bytes."""
    source = random.Random(1)
    made, length = [], 0
    while length < size:
        made.append({"id": len(made), "name": f"user{source.randrange(10**6):06}",
                     "score": source.random() * 1e3,
                     "tags": [source.choice(["alpha", "beta", "gamma"]) for _ in range(4)],
                     "ok": source.random() < 0.5,
                     "place": {"x": source.randrange(9999), "y": source.random()},
                     "text": f'a "quoted" word \n and a line {source.randrange(1000)}'})
        length += len(json.dumps(made[-1])) + 2
    return made


REAL = {"lua": lua, "sqlite": sqlite, "json": json_parser}
