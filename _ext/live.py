"""The live network's page: its scripts and style, the book's trained networks, and images for it.

The networks are written at build time from the package, by `cnnbook.interpret.live`. A view of the
page has an address, which a chapter links as it links a heading:
`[the first layer](live.md#net=resnet20&image=10&layer=conv1)`.
"""

from __future__ import annotations

from pathlib import Path

import own_pages
from docutils import nodes
from sphinx.addnodes import pending_xref

PAGE = "chapters/live"
# In the order in which they use one another.
SCRIPTS = (
    "arithmetic", "elements", "engine", "explain", "drawing", "pad", "strip", "products", "address",
    "index", "page",
)  # fmt: skip


def add_scripts(app, pagename, templatename, context, doctree) -> None:
    """Load the live network's files on its page alone."""
    if pagename == PAGE:
        own_pages.load(app, "live", SCRIPTS)


def link_views(app, doctree) -> None:
    """Make links of links to views: what stands behind the # there is no heading's."""
    for link in list(doctree.findall(pending_xref)):
        view = link.get("reftargetid") or ""
        if link.get("reftarget") == PAGE and view.startswith("net="):
            page = app.builder.get_relative_uri(app.env.docname, PAGE)
            reference = nodes.reference("", "", *link.children, refuri=f"{page}#{view}")
            link.replace_self(reference)


def write_networks(app, exception) -> None:
    """Write the trained networks to `_static/live` of the built pages."""
    if exception is not None or app.builder.format != "html" or PAGE not in app.env.found_docs:
        return
    from cnnbook.interpret import live

    live.write(Path(app.outdir, "_static", "live"), live.shipped())


def setup(app) -> dict:
    app.connect("config-inited", own_pages.taken_off("live"), priority=100)
    app.connect("html-page-context", add_scripts)
    app.connect("doctree-read", link_views)
    app.connect("build-finished", write_networks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
