"""Let a page's download be the notebook with the outputs that the page shows."""

from __future__ import annotations

from pathlib import Path

import nbformat
from jupyter_cache import get_cache


def replace_sources(app, exception) -> None:
    """Put each notebook as the build executed it where the download button leads."""
    if exception is not None or app.builder.format != "html":
        return
    if app.config.nb_execution_mode != "cache":
        return  # the page shows the outputs that the notebook came with
    # Not the notebooks in jupyter_execute: those that came from the cache lack their outputs.
    cache = get_cache(app.config.nb_execution_cache_path)
    for source in Path(app.outdir, "_sources").rglob("*.ipynb"):
        notebook = nbformat.read(source, as_version=4)
        _, notebook = cache.merge_match_into_notebook(notebook)
        for cell in notebook.cells:
            if cell.cell_type == "code":  # progress bars, as `stderr_output: remove` does
                cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        nbformat.write(notebook, source)


def setup(app) -> dict:
    app.connect("build-finished", replace_sources)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
