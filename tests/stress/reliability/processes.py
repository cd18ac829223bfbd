"""The processes of a run, known by the mark in their environment, which drains inherit too, and by the
network namespace, because some servers write over their environment."""

import os
import signal
import time

from reliability.place import MARK
from teltest.proc import comm, environment_of, is_zombie, read

DRAIN = "telinject-drain"
TELRUN = ("telinject", "telrun")


def _network(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


class _Networks:
    """The network namespaces of one mark, held open: a number that nobody holds is given to another run."""

    def __init__(self):
        self.mark, self.held = None, {}

    def of(self, mark):
        if mark != self.mark:
            for descriptor in self.held.values():
                os.close(descriptor)
            self.mark, self.held = mark, {}
        return self.held

    def hold(self, pid):
        try:
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        name = f"net:[{os.fstat(descriptor).st_ino}]"
        if name == _network("self") or name in self.held:
            os.close(descriptor)
        else:
            self.held[name] = descriptor


_networks = _Networks()


def of_mark(mark):
    """[(pid, name)] of those that run."""
    wanted = f"{MARK}={mark}".encode()
    networks, own = _networks.of(mark), _network("self")
    found, others = [], []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or (network := _network(entry)) is None:
            continue
        if wanted in environment_of(entry):
            found.append((int(entry), comm(entry)))
            if network not in networks:
                _networks.hold(entry)
        elif network != own:
            others.append((network, int(entry)))
    found += [(pid, comm(pid)) for network, pid in others if network in networks]
    return [(pid, name) for pid, name in found if not is_zombie(pid)]


def adopt(mark, process):
    """Holds the network namespace of a run's first process, before what it starts can hide."""
    networks, until = _networks.of(mark), time.monotonic() + 5
    while not networks and process.poll() is None and time.monotonic() < until:
        _networks.hold(process.pid)
        time.sleep(0.001)


def drains(mark):
    return [pid for pid, name in of_mark(mark) if name == DRAIN]


def telruns(mark):
    return [pid for pid, name in of_mark(mark) if name in TELRUN]


def of_program(mark):
    return [(pid, name) for pid, name in of_mark(mark) if name != DRAIN and name not in TELRUN]


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_all(pids):
    for pid in pids:
        send(pid, signal.SIGKILL)


def wait_until_gone(find, seconds):
    """What find() still returns after so long; empty as soon as it is."""
    until = time.monotonic() + seconds
    while found := find():
        if time.monotonic() > until:
            return found
        time.sleep(0.02)
    return []


def describe(pid):
    """What a process that should not be there is doing."""
    command = read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()
    state = [line for line in read(f"/proc/{pid}/status").decode(errors="replace").splitlines()
             if line.startswith(("State", "PPid"))]
    wchan = read(f"/proc/{pid}/wchan").decode(errors="replace")
    return f"{pid} {command[:150]} ({', '.join(' '.join(line.split()) for line in state)}, {wchan})"
