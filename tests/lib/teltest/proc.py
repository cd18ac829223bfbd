"""Processes, by what /proc says of them, and waiting for them."""

import time
from pathlib import Path

PATIENCE = 60  # seconds, for what another process does; the machine may be busy


def read(path):
    """b"" if it is gone, or not ours to read."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def comm(pid):
    return read(f"/proc/{pid}/comm").decode(errors="replace").rstrip("\n")


def environment_of(pid):
    """[b"NAME=value"]"""
    return read(f"/proc/{pid}/environ").split(b"\0")


def is_zombie(pid):
    """Or gone."""
    fields = read(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
    return not fields or fields[0] in (b"Z", b"X")


def children_of(pid):
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


def wait_for(condition, what, seconds=PATIENCE, pause=lambda: time.sleep(0.01)):
    """The first true value of condition(); TimeoutError if there is none in time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        pause()
    return value
