"""Starts servers and clients, waits for them by what they say or answer, and ends them again."""

import os
import signal
import socket
import subprocess
from contextlib import contextmanager

from teltest.proc import wait_for

DEADLINE = 60  # seconds; only a failure takes that long


def free_ports(count):
    """Ports of 127.0.0.1 for servers that are about to listen: held all at once, so that they differ. Where
    no server shall be, use refusing()."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@contextmanager
def refusing(address="127.0.0.1"):
    """A port that refuses connections: it is bound, so no other process gets it, and nothing listens."""
    with socket.socket() as held:
        held.bind((address, 0))
        yield held.getsockname()[1]


def answers(address):
    """Somebody listens on (host, port), or on a path."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


class Server:
    """A server process: `command` listens on `address`; what it says goes to `log`."""

    def __init__(self, command, address, log, environment=None, cwd=None, stop=signal.SIGTERM):
        self.stop_signal = stop
        self.log = log
        self.address = address
        with open(log, "ab") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                            stdout=output, stderr=output, cwd=cwd, start_new_session=True,
                                            env=environment or os.environ)
        try:
            wait_for(self._ready, f"{command[0]} on {address}")
        except Exception:
            self.kill()
            raise

    def _ready(self):
        if self.process.poll() is not None:
            text = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self.process.args[0]} ended with {self.process.returncode}: {text}")
        return answers(self.address)

    def stop(self):
        """Returns its status, as subprocess has it."""
        if self.process.poll() is None:
            os.kill(self.process.pid, self.stop_signal)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        """What is left of its session too: it is ours."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
