"""Install the pinned PyTorch from an index or a folder that the user names, such as one for CPUs.

    python scripts/torch_from.py INDEX_OR_FOLDER

What is on the usual index for Linux brings 5 GB of CUDA along, for machines without a GPU too. A
folder holds the wheels, as ``pip download`` leaves them, and no index is asked then. pip takes a
version such as 2.15.0+cpu for the pinned 2.15.0, so what is installed afterwards leaves it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("torch", "torchvision")


def pins(requirements: Path) -> list[str]:
    """The lines of `requirements` that pin PyTorch."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.match(rf"({'|'.join(PACKAGES)})==", line)]


def command(source: str, requirements: Path = ROOT / "requirements.txt") -> list[str]:
    """The call of pip. Raises ValueError if `source` is neither an address nor a folder."""
    if re.match(r"[a-z+]+://", source):
        where = ["--index-url", source]
    elif (folder := Path(source).expanduser()).is_dir():
        where = ["--no-index", "--find-links", str(folder.resolve())]
    else:
        raise ValueError(f"TORCH_INDEX must be an index's address or a folder, got {source!r}")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps"]
    return [*pip, *where, *pins(requirements)]


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        call = command(arguments[0])
    except ValueError as error:
        print(f"torch_from: {error}", file=sys.stderr)
        return 2
    return subprocess.run(call, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
