"""Make the built pages complete in themselves, so that they ask no other host for anything."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

# Of MathJax: the component that `mathjax_path` names, and all that it may load later.
MATHJAX = (
    "LICENSE",
    "es5/tex-chtml.js",
    "es5/input/tex/extensions",
    "es5/output/chtml/fonts/woff-v2",
)


def copy_mathjax(app, exception) -> None:
    """Copy MathJax to `_static/mathjax` of the built pages."""
    if exception is not None or app.builder.format != "html":
        return
    target = Path(app.outdir, "_static", "mathjax")
    with as_file(files("mathjax") / "static" / "mathjax") as source:
        for name in MATHJAX:
            to = target / name.removeprefix("es5/")
            to.parent.mkdir(parents=True, exist_ok=True)
            if (source / name).is_dir():
                shutil.copytree(source / name, to, dirs_exist_ok=True)
            else:
                shutil.copyfile(source / name, to)


def drop_thebe(app, pagename, templatename, context, doctree) -> None:
    """Leave out the scripts of sphinx-thebe: no page starts a kernel, and they log an error."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}".lower()
    ]


def setup(app) -> dict:
    app.connect("build-finished", copy_mathjax)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
