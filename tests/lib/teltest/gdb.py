"""What gdb says: the judge of stacks."""

import re
import subprocess


def gdb(arguments, *commands):
    """[(function, file, line)] of `bt`; what has no symbols is "??"."""
    options = [word for command in (*commands, "bt") for word in ("-ex", command)]
    done = subprocess.run(["gdb", "-q", "-nx", "-batch", "-iex", "set debuginfod enabled off",
                           "-iex", "set width 0", "-iex", "set print frame-arguments none",
                           "-iex", "set print address on", *options, *arguments],
                          capture_output=True, text=True, timeout=300)
    frames = []
    for line in done.stdout.splitlines():
        match = re.match(r"#\d+ +(?:0x[0-9a-f]+ in )?(.+?) \(.*?\)(?: at (.*):(\d+))?(?: from .*)?$", line)
        if match:
            number = int(match[3]) if match[3] else None
            # It leaves the arguments on names that end in a tag: f[abi:cxx11](int).
            name = match[1].split("[abi:cxx11](")[0] + "[abi:cxx11]" if "[abi:cxx11](" in match[1] \
                else match[1]
            frames.append((name, match[2], number))
    return frames


def addr2line(path, address):
    """(file, line) of the innermost function at an address of the file."""
    done = subprocess.run(["addr2line", "-i", "-e", path, hex(address)], capture_output=True,
                          text=True, check=True)
    file, line = done.stdout.splitlines()[0].split(" ")[0].rsplit(":", 1)
    return file, int(line)
