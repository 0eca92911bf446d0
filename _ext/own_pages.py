"""Scripts and styles that only some pages load.

Jupyter-book puts every file under `_static/` on every page. What lies in a folder of a page's own
is taken off, and the page asks for it.
"""

from __future__ import annotations

FIRST = 800  # priority of the first script; the theme's come before


def taken_off(folder: str):
    """A listener of `config-inited`: no page loads the files of `_static/<folder>/` by itself."""

    def only_here(app, config) -> None:
        for files in (config.html_js_files, config.html_css_files):
            files[:] = [file for file in files if not _name(file).startswith(f"{folder}/")]

    return only_here


def _name(file) -> str:
    return file if isinstance(file, str) else file[0]


def load(app, folder: str, scripts: tuple[str, ...]) -> None:
    """Have the page that is written load the style of `folder`, and its scripts in this order."""
    app.add_css_file(f"{folder}/{folder}.css")
    for i, name in enumerate(scripts):
        app.add_js_file(f"{folder}/{name}.js", priority=FIRST + i, loading_method="defer")
