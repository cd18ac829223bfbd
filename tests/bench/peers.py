"""The peers that are installed: uftrace, LTTng-UST's cyg-profile, clang's XRay."""

import ctypes.util
import os
import re
import shutil
import subprocess
import sys

from measure import main_run, run


class Uftrace:
    """Records into a folder, lossless."""

    name = "uftrace"

    @staticmethod
    def is_here():
        return shutil.which("uftrace") is not None

    def __init__(self, folder):
        self.folder = folder
        self.trace = folder / "uftrace"

    @staticmethod
    def record(trace):
        return ["uftrace", "record", "--no-libcall", "--no-pager", "-d", trace]

    @staticmethod
    def lost(errors):
        """Records, as it says itself."""
        return sum(map(int, re.findall(r"LOST (\d+) records", errors)))

    def measure(self, workload, prefix=()):
        shutil.rmtree(self.trace, ignore_errors=True)
        command = [*self.record(self.trace), workload.traced, *workload.arguments]
        done = main_run(self.folder, [*prefix, *command])
        done.lost = self.lost(done.errors)
        return done

    def bytes_written(self):
        return sum(path.stat().st_size for path in self.trace.iterdir())

    def close(self):
        shutil.rmtree(self.trace, ignore_errors=True)


class Lttng:
    """The program waits for the consumer where its buffers are full."""

    name = "LTTng-UST, blocking"
    library = "liblttng-ust-cyg-profile.so"

    @staticmethod
    def is_here():
        return bool(shutil.which("lttng") and shutil.which("lttng-sessiond")
                    and ctypes.util.find_library("lttng-ust-cyg-profile"))

    def __init__(self, folder):
        self.folder = folder
        home = folder / "lttng"
        home.mkdir(exist_ok=True)
        self.trace = home / "trace"
        # A run that was killed leaves one in a daemon that lives on.
        self.session = f"telinject-bench-{os.getpid()}"
        self.settings = {"LTTNG_HOME": home}
        self.pid = None
        # Of root there is one for the whole machine; it may be there already.
        if subprocess.run(["lttng", "--no-sessiond", "list"], capture_output=True,
                          env=self.environment()).returncode != 0:
            # Its descendants keep what they are given, so that a pipe would never end.
            daemon = subprocess.run(["lttng-sessiond", "--daemonize", "--no-kernel", "--pidfile",
                                     home / "pid"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL, env=self.environment())
            if daemon.returncode != 0:
                sys.exit(f"bench: lttng-sessiond cannot be started: status {daemon.returncode}")
            self.pid = int((home / "pid").read_text())

    def environment(self):
        return {**os.environ, **{name: str(value) for name, value in self.settings.items()}}

    def lttng(self, *words):
        return run(["lttng", "--no-sessiond", *words], **self.settings)

    def measure(self, workload):
        shutil.rmtree(self.trace, ignore_errors=True)
        self.lttng("create", self.session, f"--output={self.trace}")
        self.lttng("enable-channel", "-u", "calls", "--subbuf-size=4M", "--num-subbuf=8",
                   "--blocking-timeout=inf")
        self.lttng("enable-event", "-u", "-c", "calls", "lttng_ust_cyg_profile*:*")
        self.lttng("start")
        try:
            return main_run(self.folder, [workload.traced, *workload.arguments], LD_PRELOAD=self.library,
                            LTTNG_UST_ALLOW_BLOCKING=1, **self.settings)
        finally:
            self.lttng("stop")
            self.lttng("destroy", self.session)

    def bytes_written(self):
        return sum(path.stat().st_size for path in self.trace.rglob("*") if path.is_file())

    def close(self):
        if self.pid is not None:
            os.kill(self.pid, 15)
        shutil.rmtree(self.folder / "lttng", ignore_errors=True)


class Xray:
    """clang's, in flight data recorder mode, into memory; on programs of clang's, instrumented after
    inlining, which leaves fewer calls of C++."""

    name = "XRay FDR, to memory"
    MODE = "patch_premain=true xray_mode=xray-fdr xray_fdr_log=1 verbosity=0 xray_logfile_base="

    @staticmethod
    def is_here():
        if shutil.which("clang") is None:
            return False
        runtime = subprocess.run(["clang", "--print-file-name=libclang_rt.xray-x86_64.a"],
                                 capture_output=True, text=True).stdout.strip()
        # Known under another place to clang itself, so it is asked to link.
        linked = subprocess.run(["clang", "-fxray-instrument", "-x", "c", "-", "-o", "/dev/null"],
                                input="int main(void) { return 0; }", capture_output=True, text=True)
        return bool(runtime) and linked.returncode == 0

    def __init__(self, folder):
        self.folder = folder

    def measure(self, workload):
        log = self.folder / "xray-log."
        return main_run(self.folder, [workload.xray, *workload.arguments], XRAY_OPTIONS=f"{self.MODE}{log}")

    def bytes_written(self):
        return None

    def close(self):
        for path in self.folder.glob("xray-log.*"):
            path.unlink()
