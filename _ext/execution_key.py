"""Keep executed notebooks under a key of the code that they ran.

The execution cache compares a notebook's own cells. It would show old results after a change of
the package, so the cache's folder is named after a hash of `KEYED`; other folders are removed.
They lie in the one that ``jupyter-book clean .`` leaves alone. When the hash changes, every page is
read again, by ``jupyter-book build .`` too, which else would take those with old results for done.
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


def kept_folder(root: Path) -> Path:
    """Where `scripts/kept.py` leaves what nbval has executed of the book's code as it is now."""
    return root / "_build" / PREFIX / f"{execution_key(root)}-nbval"


def choose_cache(app, config) -> None:
    build = Path(app.outdir).parent
    config.execution_key = execution_key(Path(app.srcdir))
    cache = build / PREFIX / config.execution_key
    for old in (build / PREFIX).glob("*"):
        if old != cache:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    config.nb_execution_cache_path = str(cache)


def setup(app) -> dict:
    app.add_config_value("execution_key", "", "env", str)
    app.connect("config-inited", choose_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
