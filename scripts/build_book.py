"""Build the book in a folder: nothing if nothing changed, and no more than changed otherwise.

    python scripts/build_book.py [BOOK]

Sphinx takes the pages of a failed build for done, and it does not know what a page takes from
beside its own text. So a build is a full one unless the last one succeeded and only the text of
pages changed since, their headings excepted: a heading is also in other pages' navigation and
links. Notebooks whose execution is not in the cache are executed first, two at a time, but for
those that nbval has just executed (`kept.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_ext"))
sys.path.insert(0, str(ROOT / "scripts"))

from execution_key import PREFIX, execution_key, kept_folder  # noqa: E402
from watched import Stuck, WatchedClient  # noqa: E402

PAGES = (".ipynb", ".md", ".rst")
# What no page is made from. Names that begin with a dot are left out too.
ELSEWHERE = {"_build", "__pycache__", "benchmarks", "node_modules", "runs", "scripts", "tests"}
AT_A_TIME = 2


def main(book: Path) -> int:
    """The exit status of the build of `book`."""
    build = book / "_build"
    stamp = build / "built.json"  # what the last build that succeeded was made of
    now = made_of(book)
    then = json.loads(stamp.read_text("utf-8")) if stamp.exists() else {}
    if then.pop("written", None) != written(build):
        then = {}  # someone else built since, from we do not know what
    if then == now and (build / "html" / "index.html").exists():
        print(f"nothing changed since the last build: {build / 'html' / 'index.html'}")
        return 0
    stamp.unlink(missing_ok=True)
    options = []
    if then.get("frame") != now["frame"] or not (build / "html" / "index.html").exists():
        shutil.rmtree(build / "html", ignore_errors=True)
        options = ["--all"]
    try:
        execute_missing(book)
    except Stuck as error:
        print(f"build: {error}", file=sys.stderr)
        return 1
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", book, *options, "-W", "--keep-going"]
    status = subprocess.run(command, check=False).returncode
    if status == 0:
        stamp.write_text(json.dumps({**now, "written": written(build)}, indent=1), "utf-8")
    return status


def written(build: Path) -> int | None:
    """When Sphinx last ended a build there: it writes its index then, whoever called it."""
    index = build / "html" / "searchindex.js"
    return index.stat().st_mtime_ns if index.exists() else None


def made_of(book: Path) -> dict[str, str]:
    """Hashes of the text of the pages, and of all else that the book is made of, the `frame`."""
    frame, text = hashlib.sha256(), hashlib.sha256()
    for name in (sys.version, git_origin(book)):
        frame.update(f"{name}\n".encode())
    for path in sorted(files(book)):
        content, name = path.read_bytes(), path.relative_to(book).as_posix()
        if path.suffix in PAGES and (path.parent == book or book / "chapters" in path.parents):
            text.update(f"{name}\n{hashlib.sha256(content).hexdigest()}\n".encode())
            content = "\n".join(headings(path)).encode()
        frame.update(f"{name}\n{hashlib.sha256(content).hexdigest()}\n".encode())
    return {"frame": frame.hexdigest(), "text": text.hexdigest()}


def files(folder: Path):
    """Every file that the book may be made of."""
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name in ELSEWHERE or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def headings(page: Path) -> list[str]:
    """The lines of a page that begin a part of it; for another format than Markdown all lines."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".rst":
        return text.splitlines()
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        parts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        text = "\n".join(parts)
    return [line for line in text.splitlines() if line.lstrip().startswith("#")]


def git_origin(book: Path) -> str:
    """Where the book lives, as the buttons to Colab name it."""
    config = book / ".git" / "config"
    return config.read_text("utf-8") if config.is_file() else ""


def execute_missing(book: Path) -> None:
    """Execute what the cache lacks, and keep it there; Sphinx executes again what failed.

    Raises:
        Stuck: if a kernel hangs; it names notebook and cell.
    """
    import nbformat
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn
    from sphinx_external_toc.parsing import parse_toc_yaml

    pages = [book / page for page in parse_toc_yaml(book / "_toc.yml")]
    if not all(any(page.with_suffix(suffix).exists() for suffix in PAGES) for page in pages):
        return  # the build will stop at once and name the page
    folder = book / "_build" / PREFIX / execution_key(book)
    folder.mkdir(parents=True, exist_ok=True)
    cache = get_cache(str(folder))
    for path in kept_folder(book).rglob("*.ipynb"):
        cache.cache_notebook_file(str(path), check_validity=False, overwrite=True)
    missing = {}
    for path in (page.with_suffix(".ipynb") for page in pages):
        if path.exists():
            notebook = nbformat.read(path, as_version=4)
            try:
                cache.match_cache_notebook(notebook)
            except KeyError:
                missing[path] = notebook
    # A thread each: two processes of two threads on two cores only wait for each other.
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"

    def execute(path: Path) -> float | Exception:
        """The seconds it took, or why it failed."""
        title = path.relative_to(book).as_posix()
        print(f"Executing notebook {title}", flush=True)
        resources = {"metadata": {"path": str(path.parent.resolve())}}
        began = time.monotonic()
        try:
            WatchedClient(missing[path], title, resources=resources, record_timing=False).execute()
        except Exception as error:
            return error
        return time.monotonic() - began

    stuck = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for path, found in zip(missing, pool.map(execute, missing), strict=True):
            if isinstance(found, Stuck):
                stuck.append(str(found))
            elif not isinstance(found, Exception):
                bundle = CacheBundleIn(missing[path], str(path), data={"execution_seconds": found})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    del os.environ["OMP_NUM_THREADS"]
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = threads
    if stuck:
        raise Stuck("; ".join(stuck))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
