"""Packages of npm that tests need, installed on first use into the build tree."""

import fcntl
import shutil
import subprocess

from teltest.run import REPOSITORY, build_directory


def installed(name, *scripts):
    """The folder with what tests/lib/NAME/package.json names, and with the scripts beside it."""
    assert shutil.which("node") and shutil.which("npm"), "needs Node.js and npm: apt-get install nodejs npm"
    folder = build_directory() / "test-cache" / name
    folder.mkdir(parents=True, exist_ok=True)
    source = REPOSITORY / "tests/lib" / name
    texts = {file: (source / file).read_text() for file in ("package.json", *scripts)}
    stamp = folder / "installed"
    # Several workers want it at once, and npm installs into the folder itself.
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != "".join(texts.values()):
            for file, text in texts.items():
                (folder / file).write_text(text)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=folder,
                           check=True, capture_output=True, timeout=500)
            stamp.write_text("".join(texts.values()))
    return folder
