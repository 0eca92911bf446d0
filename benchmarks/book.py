"""How long `make book` takes: cold, with nothing changed, and with one chapter's text changed.

The book is a copy of this one in a folder of its own. What is timed is `scripts/build_book.py`,
which `make book` runs when the set-up is done.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import _harness

TEXT = "alexnet.ipynb"


def copied(folder: Path) -> Path:
    """The book's files as git knows them, with the changes that are not committed yet."""
    book = folder / "book"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=_harness.ROOT, capture_output=True, encoding="utf-8", check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        (book / name).parent.mkdir(parents=True, exist_ok=True)
        if (_harness.ROOT / name).is_file():
            shutil.copy2(_harness.ROOT / name, book / name)
    return book


def built(book: Path) -> float:
    """Seconds of a build, by the Python of the book's own environment."""
    tools = Path(sys.executable).parent
    python = tools / "python"
    if not (tools / "jupyter-book").exists():  # the peers' environment has none
        python = _harness.ROOT / ".venv" / "bin" / "python"
    command = [python, book / "scripts" / "build_book.py", book]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=book, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"the build failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - start


def edit(book: Path, turn: int) -> None:
    """One sentence more in a chapter's last cell of text."""
    path = book / "chapters" / TEXT
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cell = [c for c in notebook["cells"] if c["cell_type"] == "markdown"][-1]
    cell["source"].append(f"\n\nSentence {turn}.")
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def measure(report: _harness.Report, quick: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        book = copied(Path(folder))
        if quick:
            edit(book, 1)
            report.rows.append({"files of the book": sum(1 for _ in book.rglob("*"))})
            return
        cold = built(book)
        unchanged, changed = [], []
        for turn in range(7):
            unchanged.append(built(book))
            edit(book, turn)
            changed.append(built(book))
    for what, seconds in (("cold", [cold] * 2), ("unchanged", unchanged), ("a text", changed)):
        report.rows.append({"build": what, "seconds": _harness.Spread.of(seconds)})
    report.goal("make book, nothing changed, s", _harness.Spread.of(unchanged).median, 10)
    report.goal("make book, a chapter's text changed, s", _harness.Spread.of(changed).median, 15)
    report.goal("make book, cold without set-up, min", cold / 60, 7)


if __name__ == "__main__":
    _harness.main("book", measure)
