"""Where, when and with what something was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import torch
import torchvision

from cnnbook._version import __version__
from cnnbook.training.device import full_name

PACKAGE = Path(__file__).parents[1]


def surroundings(device: str, shared: int = 1) -> dict:
    """The fields of a record that say on what it was made.

    Where the code was copied without its repository, $CNNBOOK_COMMIT names the
    commit.

    Args:
        device: as `device_name` gives it.
        shared: how many runs were on the device at the same time.
    """
    return {
        "device": full_name(device)
        + (f", shared by {shared} runs" if shared > 1 else ""),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "cnnbook": __version__,
        },
        "commit": code_commit() or os.environ.get("CNNBOOK_COMMIT") or None,
    }


def digits(value: float) -> float:
    """Six digits: more than one run tells from the next, and short in a file."""
    return float(f"{value:.6g}")


@cache
def code_commit() -> str | None:
    """The commit of the package's code, "-dirty" if the code differs from it; None
    without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE), *arguments]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()

    try:
        # Fails where the package only lies inside someone else's repository.
        git("ls-files", "--error-unmatch", "__init__.py")
        commit = git("rev-parse", "--short=12", "HEAD")
        # Records, and the weights of some, are what a clean state of the code
        # makes.
        changes = git(
            "status", "--porcelain", "--", ".", ":!records/*/*", ":!models/weights"
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if changes else commit
