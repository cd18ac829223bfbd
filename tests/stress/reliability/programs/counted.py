"""Programs rebuilt with telcc by their own build systems, so that an independent hook can count their calls.

Each is built once, in the build tree's campaign-programs/, from Debian's sources (scripts/fetch-sources).
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from reliability.programs import FOLDER, Program
from teltest import programs as known
from teltest.run import build, build_directory, tool

# name: (source, files that the build makes, how). telcc and telc++ are in the path.
_BUILDS = {
    "zlib": ("zlib", ("minigzip", "example", "examplesh"),
             "CC=telcc CFLAGS='-O2 -g' ./configure >/dev/null && make -j2"),
    "bzip2": ("bzip2", ("bzip2", "bzip2recover"), "make -j2 CC=telcc bzip2 bzip2recover"),
    "xz": ("xz-utils", ("src/xz/.libs/xz", "src/liblzma/.libs/liblzma.so.5"),
           "./configure CC=telcc --disable-nls --disable-doc --disable-scripts --disable-static "
           "--disable-symbol-versions "
           "--disable-lzmadec --disable-lzmainfo >/dev/null && make -j2"),
    "leveldb": ("leveldb", ("b/leveldb_work",),
                "cmake -B b -DCMAKE_C_COMPILER=telcc -DCMAKE_CXX_COMPILER=telc++ -DCMAKE_BUILD_TYPE=Debug "
                "-DLEVELDB_BUILD_BENCHMARKS=OFF -DLEVELDB_BUILD_TESTS=OFF && make -C b -j2 leveldb && "
                "telcc -Iinclude -g -c -o b/leveldb_work.o $HERE/leveldb_work.c && "
                "telc++ -o b/leveldb_work b/leveldb_work.o b/libleveldb.a -pthread"),
    "re2": ("re2", ("obj/test/charclass_test", "obj/test/required_prefix_test"),
            "make REBUILD_TABLES=1 -j2 CXX=telc++ CXXFLAGS='-O0 -g -w' "
            "obj/test/{charclass,required_prefix}_test"),
    "redis": ("redis", ("src/redis-server", "src/redis-cli"),
              "make -C src -j2 CC=telcc MALLOC=libc OPTIMIZATION=-O1 USE_SYSTEMD=no redis-server redis-cli"),
}


class BuildFailed(Exception):
    pass


def _built(name):
    """The folder of a program that was built by its own build system."""
    source, files, how = _BUILDS[name]
    root = build_directory() / "campaign-programs"
    root.mkdir(parents=True, exist_ok=True)
    folder = root / name
    with open(root / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((folder / file).exists() for file in files):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(known.sources(source), folder, symlinks=True)
            environment = dict(os.environ, HERE=str(FOLDER.parent),
                               PATH=f"{tool('telcc').parent}:{os.environ['PATH']}")
            log = root / f"{name}.log"
            with open(log, "wb") as out:
                status = subprocess.run(["nice", "bash", "-c", how], cwd=folder, env=environment, stdout=out,
                                        stderr=out, stdin=subprocess.DEVNULL, check=False).returncode
            if status != 0 or not all((folder / file).exists() for file in files):
                raise BuildFailed(f"{name}: see {log}")
    return folder


def _mix():
    """Threads, forks and longjmp of our own making: what the others lack."""
    return build("campaign_mix", [Path(__file__).parents[1] / "mix.c"], "gcc", ("-O1",), ("-pthread",))


# name: (how its path is got, options). Some children of the mix execute another program: "exact" misses them.
# Some end with threads that still run.
_MAKERS = {
    "sqlite": (lambda: known.sqlite("gcc", "-O2").path, {}),
    "lua": (lambda: known.lua("gcc", "-O2").path, {}),
    "yaml-cpp": (lambda: known.yaml_parser("gcc", "-O2"), {}),
    "threads and forks": (_mix, {"judge": "shared", "threads": 6}),
    "zlib": (lambda: _built("zlib"), {}),
    "bzip2": (lambda: _built("bzip2"), {}),
    "xz": (lambda: _built("xz"), {"threads": 4, "ending": 4}),
    "leveldb": (lambda: _built("leveldb"), {"threads": 4, "ending": 1}),
    "re2": (lambda: _built("re2"), {"threads": 2}),
    "redis": (lambda: _built("redis"), {"threads": 8, "ending": 5}),
}
NAMES = tuple(f"{name} (telcc)" for name in _MAKERS)


def make(names, say):
    """([Program], {name: why it is missing}); builds what is not there yet, which takes minutes once."""
    made, missing = [], {}
    for name, (maker, options) in _MAKERS.items():
        full_name = f"{name} (telcc)"
        if full_name not in names:
            continue
        say(f"building {full_name}, if it is not there yet")
        script = (FOLDER / "counted" / f"{name.replace(' ', '-')}.bash").read_text()
        try:  # P: what was built
            made.append(Program(full_name, (), f"P={maker()}\n{script}", **{"judge": "exact"} | options))
        except (BuildFailed, RuntimeError, subprocess.CalledProcessError) as error:
            missing[full_name] = [str(error).splitlines()[0]]
    return made, missing
