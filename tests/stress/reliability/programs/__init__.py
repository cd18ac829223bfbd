"""The programs of the campaign: real ones, as scripts for bash that print what can be compared.

Each is a file in a folder beside this one. Its first line is its name, its second the commands that have to
be installed. common.bash has what they share, and stands before them.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from reliability.place import PATH

FOLDER = Path(__file__).parent
GROUPS = ("tools", "languages", "builds", "servers")


@dataclass(frozen=True)
class Program:
    """judge: None, or how its calls are counted, for it was built by telcc (running.Setup). threads: how many
    may be in the middle of a call when it is killed. ending: how many when it ends by itself."""
    name: str
    needs: tuple
    script: str
    judge: str | None = None
    threads: int = 1
    ending: int = 0
    timeout: int = 240

    def missing(self):
        return [need for need in self.needs if shutil.which(need, path=PATH) is None]


def needs_of(script):
    """The commands in the line "# needs: ..." at a script's head."""
    return tuple(script.splitlines()[1].removeprefix("# needs: ").split())


def all_installed():
    """([Program that can run], {name: [missing commands]}), without those that have to be built."""
    scripts = [path.read_text() for group in GROUPS for path in sorted((FOLDER / group).glob("*.bash"))]
    programs = [Program(script.splitlines()[0].removeprefix("# "), needs_of(script), script)
                for script in scripts]
    missing = {program.name: program.missing() for program in programs if program.missing()}
    return [program for program in programs if program.name not in missing], missing
