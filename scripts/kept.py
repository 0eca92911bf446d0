"""Keep what nbval executes, so that the build of the book need not execute it again.

    python -m pytest -p scripts.kept --nbval-lax chapters

A notebook of which every cell passed is kept beside the build's cache, with the outputs of this
run, under the key of the code that it ran. The next build puts it into the cache, where it counts
as executed while its cells are these.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_ext"))

from execution_key import kept_folder  # noqa: E402

from cnnbook._files import write_whole  # noqa: E402

OUTPUTS = pytest.StashKey[dict]()


def pytest_configure(config: pytest.Config) -> None:
    config.kept_folder = kept_folder(ROOT)  # of the code at the start: what changes later is not it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    report = yield
    if report.when == "call" and report.passed and hasattr(item, "test_outputs"):
        item.parent.stash.setdefault(OUTPUTS, {})[item.cell_num] = item.test_outputs
        keep(item.parent, item.config.kept_folder)
    return report


def keep(notebook_file: pytest.File, place: Path) -> None:
    """Write the notebook once all of its cells have passed."""
    outputs = notebook_file.stash[OUTPUTS]
    if len(outputs) < sum(cell.cell_type == "code" for cell in notebook_file.nb.cells):
        return
    notebook = deepcopy(notebook_file.nb)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells):
        cell.outputs, cell.execution_count = outputs[number], number + 1
    path = place / notebook_file.path.relative_to(ROOT)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda part: nbformat.write(notebook, part))
