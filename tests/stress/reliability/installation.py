"""What is tried: the build tree, or a copy of it with a drain under sanitizers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from teltest.run import REPOSITORY, build, build_directory, library, tool

KINDS = {"release": 1, "asan": 4, "tsan": 8}  # how many times as long things may take

# telrun takes *SAN_OPTIONS out of its drain's environment.
_WRAPPER = """#!/bin/sh
export ASAN_OPTIONS=log_path={logs}/asan:detect_leaks=0:abort_on_error=0
export UBSAN_OPTIONS=print_stacktrace=1:log_path={logs}/ubsan
export TSAN_OPTIONS=log_path={logs}/tsan:exitcode=0:history_size=4
exec {drain} "$@"
"""


class Installation:
    def __init__(self, kind, folder):
        self.kind = kind
        self.slowness = KINDS[kind]
        self.logs = Path(folder) / f"sanitizer-{kind}"
        self.telrun, self.library = tool("telrun"), library()
        if kind != "release":
            self.telrun, self.library = self._copy(Path(folder) / f"installation-{kind}")

    @staticmethod
    def prepare(kind, folder):
        """Builds what is missing."""
        for path in (tool("telrun"), library()):
            if not path.exists():
                sys.exit(f"campaign: {path} is missing: build telinject first, as scripts/test does")
        if kind != "release":
            subprocess.run(["cmake", "--preset", kind], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["cmake", "--build", f"build-{kind}", "--target",
                            "libexec/telinject/telinject-drain"], cwd=REPOSITORY, check=True)
        installation = Installation(kind, folder)
        shutil.rmtree(installation.logs, ignore_errors=True)
        installation.logs.mkdir(parents=True)
        installation.logs.chmod(0o1777)
        installation.shared_counter()
        return installation

    def _copy(self, root):
        wrapper = root / "libexec/telinject/telinject-drain"
        if not wrapper.exists():
            for sub in ("bin", "lib", "libexec/telinject"):
                (root / sub).mkdir(parents=True, exist_ok=True)
            shutil.copy2(build_directory() / "bin/telrun", root / "bin/telrun")
            shutil.copy2(library(), root / "lib/libtelinject.so")
            drain = REPOSITORY / f"build-{self.kind}/libexec/telinject/telinject-drain"
            new = wrapper.with_suffix(".new")
            new.write_text(_WRAPPER.format(logs=self.logs, drain=drain))
            new.chmod(0o755)
            os.replace(new, wrapper)
        return root / "bin/telrun", root / "lib/libtelinject.so"

    @staticmethod
    def shared_counter():
        source = Path(__file__).parent / "count_shared.c"
        return build("libcount_shared.so", [source], "gcc", ("-O2", "-fPIC"), ("-shared", "-ldl"),
                     instrument=False)

    def sanitizer_reports(self):
        """[(file, its first telling line)]"""
        found = []
        for path in sorted(self.logs.glob("*")) if self.logs.exists() else ():
            lines = path.read_text(errors="replace").splitlines()
            telling = [line for line in lines
                       if any(word in line for word in ("ERROR", "WARNING", "runtime error"))]
            found.append((path, (telling or lines or ["empty"])[0][:200]))
        return found
