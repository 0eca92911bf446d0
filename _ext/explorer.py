"""The explorer's page: its scripts and style, and the book's networks for it to start from.

The networks are written at build time from the package, by `cnnbook.explorer`.
"""

from __future__ import annotations

import json
from pathlib import Path

PAGE = "chapters/explorer"
# In the order in which they use one another.
SCRIPTS = ("layers", "arithmetic", "pytorch", "drawing", "presets", "page")


def only_here(app, config) -> None:
    """Take the explorer's files from the lists of every page, where jupyter-book puts all files."""
    for files in (config.html_js_files, config.html_css_files):
        files[:] = [
            file
            for file in files
            if not (file if isinstance(file, str) else file[0]).startswith("explorer/")
        ]


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    """Load the explorer's files on its page alone."""
    if pagename == PAGE:
        app.add_css_file("explorer/explorer.css")
        for i, name in enumerate(SCRIPTS):
            app.add_js_file(f"explorer/{name}.js", priority=800 + i, loading_method="defer")


def write_presets(app, exception) -> None:
    """Write every network of the book to `_static/explorer/presets.js` of the built pages."""
    if exception is not None or app.builder.format != "html" or PAGE not in app.env.found_docs:
        return
    from cnnbook import explorer, models

    presets = {name: explorer.preset(name) for name in models.names()}
    script = f"window.cnnbookExplorer.presets = {json.dumps(presets, indent=1)};\n"
    Path(app.outdir, "_static", "explorer", "presets.js").write_text(script, encoding="utf-8")


def setup(app) -> dict:
    app.connect("config-inited", only_here, priority=100)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_presets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
