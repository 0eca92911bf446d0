"""Execute notebooks in place and keep their outputs, so that a second run changes no byte.

    python scripts/execute_notebooks.py chapters/*.ipynb

Only what a run decides by chance is taken out: times, generated cell ids, progress bars. A
notebook whose cell fails is left as it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient.exceptions import CellExecutionError

from cnnbook._files import write_whole

sys.path.insert(0, str(Path(__file__).resolve().parent))

from watched import Stuck, WatchedClient  # noqa: E402

KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Remove from an executed notebook what differs from run to run."""
    notebook.metadata.update(KERNEL)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        if "id" not in cell or cell.id in seen:
            cell["id"] = f"cell-{number}"
        seen.add(cell.id)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]


def execute(path: Path) -> None:
    """Execute the notebook at `path` in its folder. Raises CellExecutionError if a cell fails.

    Raises Stuck if its kernel hangs.
    """
    notebook = nbformat.read(path, as_version=4)
    client = WatchedClient(
        notebook,
        str(path),
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    tidy(notebook)
    write_whole(path, lambda part: nbformat.write(notebook, part))


def main(paths: list[str]) -> None:
    if not paths:
        sys.exit("name the notebooks to execute: scripts/execute_notebooks.py chapters/*.ipynb")
    # Matplotlib writes the date into every SVG, or this one.
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    for path in paths:
        print(path, flush=True)
        try:
            execute(Path(path))
        except (CellExecutionError, Stuck) as error:
            sys.exit(f"{path} is left as it was, a cell failed:\n{error}")


if __name__ == "__main__":
    main(sys.argv[1:])
