"""Keep executed notebooks under a key of the code that they ran.

The execution cache compares a notebook's own cells. It would show old results after a change of
the package, so the cache's folder is named after a hash of `KEYED`; other folders are removed.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

KEYED = ("cnnbook", "requirements.txt")
PREFIX = ".jupyter_cache"


def execution_key(root: Path) -> str:
    """A hash over names and contents of all files of `KEYED` below `root`, bytecode excepted."""
    digest = hashlib.sha256()
    for name in KEYED:
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(root).as_posix()}\n{content}\n".encode())
    return digest.hexdigest()[:16]


def choose_cache(app, config) -> None:
    build = Path(app.outdir).parent
    cache = build / f"{PREFIX}-{execution_key(Path(app.srcdir))}"
    for old in build.glob(f"{PREFIX}*"):
        if old != cache:
            shutil.rmtree(old)
    config.nb_execution_cache_path = str(cache)


def setup(app) -> dict:
    app.connect("config-inited", choose_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
