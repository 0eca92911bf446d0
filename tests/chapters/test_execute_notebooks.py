from __future__ import annotations

import nbformat
import pytest
from execute_notebooks import main
from nbformat.v4 import new_code_cell, new_notebook

PROGRESS = "import sys; print('50 %', file=sys.stderr); print(6 * 7)"


def write(path, *sources):
    cells = [new_code_cell(source) for source in sources]
    nbformat.write(new_notebook(cells=cells, metadata={"widgets": {}}), path)


def test_a_second_run_changes_no_byte(tmp_path):
    path = tmp_path / "one.ipynb"
    write(path, PROGRESS, "import os; os.getcwd()[-3:]")
    main([str(path)])
    first = path.read_bytes()
    main([str(path)])
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]

    notebook = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in notebook.cells] == [1, 2]
    assert [output.get("text") for output in notebook.cells[0].outputs] == ["42\n"]
    assert all("execution" not in cell.metadata for cell in notebook.cells)


def test_a_failing_notebook_is_left_as_it_was(tmp_path):
    path = tmp_path / "one.ipynb"
    write(path, "print(1)", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="one.ipynb is left as it was, a cell failed"):
        main([str(path)])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
