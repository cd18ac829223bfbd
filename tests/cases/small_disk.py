"""Disks that are full soon: a tmpfs in a mount namespace of the command's own."""

import subprocess

import pytest

needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0,
    reason="no mount namespaces here")


def small_disk(size):
    """A command before the one in question: a disk of that size at ./disk."""
    return ["unshare", "--mount", "sh", "-c",
            f'mkdir disk && mount -t tmpfs -o size={size} none disk && exec "$@"', "-"]
