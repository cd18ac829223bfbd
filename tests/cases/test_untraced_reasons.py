"""Programs that cannot be traced run as ever, and telrun says why, and what to do."""

import errno
import os
import resource
import shutil

import pytest
from teltest.run import APPS, build

MEMFD_CREATE = 319
NOBODY = 65534


@pytest.fixture
def program(ways):
    """A copy that any user may execute, and its file changed."""
    place = ways.runtime / "three"
    source = ways.runtime / "three.c"
    source.write_text("int main(void) { return 3; }\n")
    shutil.copy(build("three", [source]), place)
    place.chmod(0o755)
    return place


def summary(ways, command, outer=(), **options):
    outcome = ways.run(command, "telrun", {"TELEMETRY_SUMMARY": "always"}, outer=outer, **options)
    assert outcome.status == 3
    return outcome.err.decode()


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM, errno.EMFILE, errno.ENOMEM],
                         ids=errno.errorcode.get)
def test_no_memory_file(ways, program, error):
    without = build("without", [], plain_sources=[APPS / "ends/without.c"])
    text = summary(ways, [without, MEMFD_CREATE, error, program])
    reason = {errno.EMFILE: "no file descriptor was free", errno.ENOMEM: "no memory or address space",
              }.get(error, "memfd_create(2) is forbidden")
    assert f"because    {reason}" in text or f"because    it may not make a memory file: {reason}" in text
    ways.forget()
    ways.same([without, MEMFD_CREATE, error, program])


def as_nobody():
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.mark.parametrize("script", [False, True], ids=["program", "script"])
@pytest.mark.parametrize(("change", "reason"), [
    (lambda path: path.chmod(0o4755), "set-user-ID"),
    (lambda path: os.setxattr(path, "security.capability", NET_RAW), "file capabilities"),
], ids=["setuid", "setcap"])
def test_privileged_file(ways, program, change, reason, script):
    """To the loader both are programs that must not be influenced. A script's interpreter counts."""
    change(program)
    command = program
    if script:
        command = ways.runtime / "script"
        command.write_text(f"#!{program}\n")
        command.chmod(0o755)
    for folder in (ways.directory, *ways.directory.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o005)
    ways.runtime.chmod(0o777)
    text = summary(ways, [command], preexec_fn=as_nobody)
    name = f"the interpreter of {command}" if script else str(command)
    assert f"because    {name} " in text
    assert reason in text


# struct vfs_cap_data, revision 2: effective, CAP_NET_RAW permitted.
NET_RAW = (0x02000001).to_bytes(4, "little") + (1 << 13).to_bytes(4, "little") + bytes(12)
