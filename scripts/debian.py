"""Debian's packages, where they may be installed."""

from __future__ import annotations

import os
import shutil
import subprocess


def install(package: str) -> bool:
    """Install a package if this is Debian and we are root: whether it is there now."""
    if not (shutil.which("apt-get") and getattr(os, "geteuid", lambda: 1)() == 0):
        return False
    subprocess.run(["apt-get", "update", "-q"])
    command = ["apt-get", "install", "-qy", "--no-install-recommends", package]
    return subprocess.run(command).returncode == 0
