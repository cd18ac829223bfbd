"""A drain that dies under a bare LD_PRELOAD: the program says so at its end, once, and where it may.

(test_bad_drains.py has that the program does not wait for it, and that what it executes has a drain again.)
"""

import os
import signal
import subprocess

import pytest
from teltest.proc import comm, wait_for
from teltest.run import build

SOURCE = r"""
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline)) static int work(int n) { return n * 3; }
int main(int argc, char** argv) {
  char c;
  work(argc);
  if (argc > 1) {  /* descriptor 2 is the program's own file now */
    close(2);
    if (open(argv[1], O_CREAT | O_RDWR, 0600) != 2) return 2;
  }
  if (write(1, "p", 1) != 1 || read(0, &c, 1) != 1) return 1;
  int sum = work(argc);
  if (fork() == 0) return work(sum) > 0 ? 0 : 1;
  int status;
  wait(&status);
  return status == 0 ? 7 : 1;
}
"""


@pytest.mark.parametrize("reused", [False, True], ids=["standard error", "another file"])
def test_line(ways, tmp_path, reused):
    source = tmp_path / "waits.c"
    source.write_text(SOURCE)
    file = tmp_path / "file"
    command = [build("waits", [source]), *([file] if reused else [])]
    process = ways.start(command, "preload", stdin=subprocess.PIPE)
    assert process.stdout.read(1) == b"p"
    wait_for(lambda: ways.functions(2).get("work"), "the first calls")
    drain = ways.wait_for_drain()
    os.kill(drain, signal.SIGKILL)
    wait_for(lambda: not comm(drain), "the drain's end")
    _, err = process.communicate(b"x", timeout=120)
    assert process.returncode == 7
    if reused:
        assert (err, file.read_bytes()) == (b"", b"")
    else:
        assert err.startswith(b"telinject: the drain has died") and err.count(b"\n") == 1
