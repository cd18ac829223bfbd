"""Where a run happens: a folder of its own, seen by the run as /tmp, /var/tmp and /dev/shm in a mount
namespace, and a network namespace in which only the loopback is there.

So every run has the same paths and ports, runs do not disturb each other, and what one leaves behind is in
its folder alone. Needs root.
"""

import os
import shutil
import subprocess
from pathlib import Path

from teltest.run import REPOSITORY, build_directory

OWN = {"/tmp": "tmp", "/var/tmp": "vartmp", "/dev/shm": "shm"}
WORK, HOME, OUT, META = "/tmp/work", "/tmp/home", "/tmp/out", "/tmp/meta"
OURS = ("work", "home", "out", "meta")  # in the run's /tmp: not left behind by it
MARK = "TELINJECT_CAMPAIGN"  # in the environment of all that a run starts
PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"  # Debian's programs only


def _needed(where):
    """Our own folders below one that is hidden."""
    return [path for path in {REPOSITORY, build_directory()} if path.is_relative_to(where)]


def needed_below(where):
    """Names in that folder that are there because we need them."""
    return {path.relative_to(where).parts[0] for path in _needed(where)}


_ENTER = """
set -e
place=$1; shift
ip link set lo up
while [ "$1" != -- ]; do mount --rbind "$1" "$2"; shift 2; done
shift
cd /tmp/work
exec "$@"
"""


class Place:
    """One job's folder, made anew for each run. owner: the user that the run's folders belong to."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.runs = 0
        self.mark = ""
        self._disks = []

    def fresh(self, owner=0):
        self.runs += 1
        self.mark = f"{self.folder.name}-{os.getpid()}-{self.runs}"
        self.remove()
        for name in OWN.values():
            (self.folder / name).mkdir(parents=True)
            (self.folder / name).chmod(0o1777)
        for name in OURS:
            (self.tmp / name).mkdir()
            os.chown(self.tmp / name, owner, owner)
        return self

    @property
    def tmp(self):
        return self.folder / "tmp"

    def outside(self, path):
        """Where a path of the run's /tmp is for us."""
        return self.tmp / Path(path).relative_to("/tmp")

    def enter(self):
        """The command before the run's own."""
        pairs = []
        for where, name in OWN.items():
            for needed in _needed(where):
                inside = self.folder / name / needed.relative_to(where)
                inside.mkdir(parents=True, exist_ok=True)
                pairs += [str(needed), str(inside)]
        for where, name in OWN.items():
            pairs += [str(self.folder / name), where]
        return ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _ENTER, "enter",
                str(self.folder), *pairs, "--"]

    def environment(self, extra=None):
        return {
            "PATH": PATH, "HOME": HOME, "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "USER": "root",
            "LOGNAME": "root", "SHELL": "/bin/bash", MARK: self.mark} | (extra or {})

    def small_disk(self, path, size):
        """Puts a disk of that many bytes on a folder of the run's /tmp."""
        where = self.outside(path)
        where.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "none", where], check=True)
        self._disks.append(where)

    def remove(self):
        while self._disks:
            subprocess.run(["umount", "--lazy", self._disks.pop()], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def refusal():
    """Why there can be no places here, or None."""
    if os.geteuid() != 0:
        return "needs root, for namespaces, mounts and control groups"
    probe = subprocess.run(["unshare", "--mount", "--net", "ip", "link", "set", "lo", "up"],
                           capture_output=True, text=True, check=False)
    return f"cannot make namespaces: {probe.stderr.strip()}" if probe.returncode else None
