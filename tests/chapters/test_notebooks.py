"""The chapters as files: what GitHub and Colab show, and what nbval compares."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "chapters").rglob("*.ipynb"))
# What Sphinx would render and Colab would show raw.
ONLY_SPHINX = re.compile(
    r"\{(glue|ref|numref|eq|doc|cite)[:\w]*\}`|^\s*(```+|~~~+)\s*\{[\w:-]+\}|^\([\w-]+\)=\s*$", re.M
)
# What differs on the next run, or on another machine.
BY_CHANCE = re.compile(r"\b0x[0-9a-f]{6,}\b|(?<![\w.])/(home|root|tmp|work|Users)/")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.relative_to(ROOT / "chapters").as_posix())
def notebook(request) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_contents_list_every_notebook():
    listed = {f"{page}.ipynb" for page in parse_toc_yaml(ROOT / "_toc.yml")}
    assert NOTEBOOKS, "there are no chapters"
    assert {path.relative_to(ROOT).as_posix() for path in NOTEBOOKS} - listed == set()


def test_notebook_is_valid(notebook):
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    assert notebook.metadata.kernelspec.name == "python3"


def test_cells_were_run_in_order(notebook):
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert any(cell.outputs for cell in cells), "no stored outputs: run `make execute`"
    for cell in cells:
        numbers = {o.execution_count for o in cell.outputs if o.output_type == "execute_result"}
        assert numbers <= {cell.execution_count}


def test_outputs_are_kept_clean(notebook):
    for cell in code_cells(notebook):
        assert "execution" not in cell.metadata, "run `make execute`, which drops timings"
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source
            texts = [output.get("text", ""), *map(str, output.get("data", {}).values())]
            assert [found.group() for text in texts for found in BY_CHANCE.finditer(text)] == []


def test_text_reads_well_outside_sphinx(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert [found.group() for found in ONLY_SPHINX.finditer(text)] == []
