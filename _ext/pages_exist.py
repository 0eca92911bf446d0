"""Stop the build, before anything is executed, if `_toc.yml` lists a page that does not exist."""

from __future__ import annotations

from sphinx.errors import ConfigError


def check_pages(app, env, docnames) -> None:
    missing = [page for page in app.config.external_site_map if page not in env.found_docs]
    if missing:
        raise ConfigError(f"_toc.yml lists pages that do not exist: {', '.join(missing)}")


def setup(app) -> dict:
    app.connect("env-before-read-docs", check_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
