"""The questions between sections: their scripts and style, on the pages that have some.

What a page shows without them is in `cnnbook.teaching.asking`, with what they make forms of.
"""

from __future__ import annotations

MARK = 'class="question"'
# In the order in which they use one another.
SCRIPTS = ("reading", "page")


def only_here(app, config) -> None:
    """Take the files from the lists of every page, where jupyter-book puts all files."""
    for files in (config.html_js_files, config.html_css_files):
        files[:] = [
            file
            for file in files
            if not (file if isinstance(file, str) else file[0]).startswith("questions/")
        ]


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    """Load them on a page that asks a question."""
    if MARK in context.get("body", ""):
        app.add_css_file("questions/questions.css")
        for i, name in enumerate(SCRIPTS):
            app.add_js_file(f"questions/{name}.js", priority=800 + i, loading_method="defer")


def setup(app) -> dict:
    app.connect("config-inited", only_here, priority=100)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
