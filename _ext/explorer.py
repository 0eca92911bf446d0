"""The explorer's page: its scripts and style, and the book's networks for it to start from.

The networks are written at build time from the package, by `cnnbook.interpret.explorer`, and the
bars are those of the package's reports, `cnnbook/figures/page/bars.js`.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import own_pages

PAGE = "chapters/explorer"
# In the order in which they use one another.
SCRIPTS = ("layers", "arithmetic", "training", "pytorch", "bars", "presets", "page")


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    """Load the explorer's files on its page alone."""
    if pagename == PAGE:
        own_pages.load(app, "explorer", SCRIPTS)


def write_scripts(app, exception) -> None:
    """Write what is the package's into `_static/explorer/` of the built pages: networks, bars."""
    if exception is not None or app.builder.format != "html" or PAGE not in app.env.found_docs:
        return
    from cnnbook.interpret import explorer

    presets = json.dumps(explorer.presets(), indent=1)
    script = f"window.cnnbookExplorer.presets = {presets};\n"
    folder = Path(app.outdir, "_static", "explorer")
    (folder / "presets.js").write_text(script, encoding="utf-8")
    bars = resources.files("cnnbook.figures").joinpath("page", "bars.js")
    (folder / "bars.js").write_text(bars.read_text(encoding="utf-8"), encoding="utf-8")


def setup(app) -> dict:
    app.connect("config-inited", own_pages.taken_off("explorer"), priority=100)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
