"""What the book is called, and where it lives: set once in `_config.yml`, told to all that ask.

Jupyter Book hands its title to the pages only. The page of an error, the EPUB and search engines
ask Sphinx: for the project's name, its version (the package's) and the address of the pages. That
address is `html_baseurl`, or else GitHub's own for the repository; with neither there is no
sitemap.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from colab import repository
from sphinx.errors import ConfigError


def version_of(root: Path) -> str:
    """The package's version, read and not imported."""
    text = (root / "cnnbook" / "_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return found[1] if found else ""


def pages_of(root: Path) -> str:
    """Where GitHub shows the book's pages; "" if no repository is known."""
    try:
        owner, name = repository(root).removeprefix("https://github.com/").split("/")
    except ValueError:
        return ""
    return f"https://{owner.lower()}.github.io/{name}/"


def name_project(app, config) -> None:
    if not config.html_title:
        raise ConfigError("_config.yml must have a title")
    root = Path(app.srcdir)
    config.project = config.html_title
    config.release = config.version = version_of(root)
    config.html_baseurl = config.html_baseurl or pages_of(root)


def write_sitemap(app, exception) -> None:
    if exception is not None or app.builder.format != "html" or not app.config.html_baseurl:
        return
    base = app.config.html_baseurl.rstrip("/")
    pages = sorted(app.builder.get_target_uri(name) for name in app.env.found_docs)
    rows = "".join(f"<url><loc>{escape(f'{base}/{page}')}</loc></url>\n" for page in pages)
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{rows}</urlset>\n',
        encoding="utf-8",
    )


def setup(app) -> dict:
    app.connect("config-inited", name_project)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
