"""How a command ends, and the most memory that it or its waited-for children took.

The kernel counts what a process had before it called exec, too. So the command is started by a small
process, not by pytest, which may be as large as what is measured.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

STARTER = """
import json, os, sys
os.set_inheritable({result}, False)
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
status, usage = os.wait4(pid, 0)[1:]
with os.fdopen({result}, "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_maxrss], file)
"""


@dataclass
class Usage:
    status: int      # as subprocess has it: negative is the signal
    kilobytes: int


def run_measured(command, timeout, **options):
    """Runs it; `options` are those of subprocess. subprocess.TimeoutExpired if it takes too long."""
    reader, writer = os.pipe()
    with open(reader) as result:
        try:
            starter = [sys.executable, "-I", "-S", "-c", STARTER.format(result=writer), *map(str, command)]
            process = subprocess.Popen(starter, pass_fds=(writer,), start_new_session=True, **options)
        finally:
            os.close(writer)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return Usage(*json.load(result))
