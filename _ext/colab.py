"""The chapters as notebooks that run in Google Colab as they are, and the button that leads there.

    python _ext/colab.py [ADDRESS]        into _build/colab/, for the branch `colab`

A Sphinx extension, too: it puts the button on each page that is a notebook. Both ask
`repository()` where the book lives; without an answer there is no export, and no button.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from posixpath import normpath

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "colab"
COLAB = "https://colab.research.google.com/github"
UNKNOWN = (
    "no GitHub repository is known: set repository.url in _config.yml, or git's origin, "
    "to https://github.com/OWNER/REPOSITORY"
)
GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")
# Not %pip, which asks for a restart that nothing here needs.
INSTALL = """\
# Run this cell first: it takes about half a minute. It installs the book's package and keeps the
# PyTorch that is here. A GPU makes the training cells faster; all of them run without.
!pip install --quiet "cnnbook[chapters] @ git+{repository}@{commit}"
"""
NO_COMMIT = "the exports install a commit of the book: there is no git commit here"
# A Markdown link or image, its address apart.
LINK = re.compile(r"(!?)(\[[^\]]*\]\()([^)\s]+)(\))")
CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
NOTE = re.compile(r"^:::+ *\{(\w+)\} *(.*)\n((?:.*\n)*?):::+ *$", re.MULTILINE)
# Whose code, and whose code and output, the page folds.
FOLDED = {"hide-input", "hide-cell"}


def repository(root: Path = ROOT) -> str:
    """Address of the repository on GitHub that the book in `root` is built from.

    It is `repository.url` of `_config.yml`, or else git's origin. Raises ValueError if that is no
    repository on GitHub, as Colab opens no other.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    address = (config.get("repository") or {}).get("url") or ""
    # Only this folder's own git: not that of a folder around it.
    if not address and (root / ".git").exists():
        command = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        address = done.stdout.strip()
    if not (match := GITHUB.match(address)):
        raise ValueError(UNKNOWN)
    return f"https://github.com/{match[1]}"


def commit_of(root: Path = ROOT) -> str:
    """The commit that `root` is at. Raises ValueError if it is in no git repository."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode or not (root / ".git").exists():
        raise ValueError(NO_COMMIT)
    return done.stdout.strip()


def opened_in_colab(repository: str, path: str) -> str:
    """The address at which Colab opens the export of the notebook `path` of the book."""
    return f"{COLAB}/{repository.removeprefix('https://github.com/')}/blob/{BRANCH}/{path}"


def absolute(
    address: str, page: PurePosixPath, repository: str, exported: set[str], commit: str
) -> str:
    """A link of `page` as it must be outside the book. Links to other hosts stay as they are."""
    if re.match(r"[a-z][a-z0-9+.-]*:|#", address):
        return address
    path, _, fragment = address.partition("#")
    path = normpath((page.parent / path).as_posix())
    if path in exported:
        return opened_in_colab(repository, path)  # Colab knows no heading's anchor
    return f"{repository}/blob/{commit}/{path}" + (f"#{fragment}" if fragment else "")


def plain(text: str, page: PurePosixPath, repository: str, exported: set[str], commit: str) -> str:
    """Markdown of a chapter as Colab reads it: absolute links, notes as quotations."""

    def link(match: re.Match) -> str:
        image, before, address, after = match.groups()
        target = absolute(address, page, repository, exported, commit)
        if image:  # the file itself, not GitHub's page about it
            target = target.replace(f"{repository}/blob/", f"{repository}/raw/", 1)
        return f"{image}{before}{target}{after}"

    def note(match: re.Match) -> str:
        kind, title, body = match.groups()
        lines = [f"**{title or kind.capitalize()}**", "", *body.strip().splitlines()]
        return "\n".join(f"> {line}".rstrip() for line in lines)

    parts = CODE.split(text)  # code at odd places
    parts[::2] = [LINK.sub(link, part) for part in parts[::2]]
    return NOTE.sub(note, "".join(parts))


def export(
    notebook: nbformat.NotebookNode,
    page: str,
    repository: str,
    exported: set[str],
    commit: str,
) -> nbformat.NotebookNode:
    """The notebook `page` of the book as one for Colab; `notebook` itself stays as it is.

    The page's title comes first, then a cell that installs the package as it is at `commit`.
    `exported` holds the paths of all notebooks that are exported, for the links between them.
    """
    place = PurePosixPath(page)
    install = INSTALL.format(repository=repository, commit=commit).rstrip()
    cells = []
    for original in notebook.cells:
        cell = nbformat.from_dict(original)
        tags, mystnb = (cell.metadata.get(key, {}) for key in ("tags", "mystnb"))
        cell.metadata = nbformat.NotebookNode()
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source, place, repository, exported, commit)
            continue
        if FOLDED.intersection(tags):
            # Colab folds a cell that has a title; the title is a comment, elsewhere too.
            cell.metadata["cellView"] = "form"
            cell.source = f"# @title Folded: double-click to see the code\n{cell.source}"
        if "hide-cell" in tags:
            cell.outputs, cell.execution_count = [], None
        if caption := mystnb.get("figure", {}).get("caption"):
            text = f"*Figure: {caption.replace('*', chr(92) + '*')}*"
            cells.append(new_markdown_cell(text, id=f"{cell.id[:56]}-caption"))
    first = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    cells.insert(min(1, first), new_code_cell(install, id="install"))
    metadata = nbformat.from_dict(notebook.metadata)
    metadata.update(accelerator="GPU", colab={"gpuType": "T4", "provenance": []})
    result = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(result)
    return result


def notebooks(root: Path = ROOT) -> list[str]:
    """Paths, relative to `root`, of the notebooks that `_toc.yml` lists, in its order."""
    pages = [f"{page.removesuffix('.ipynb')}.ipynb" for page in parse_toc_yaml(root / "_toc.yml")]
    return [page for page in pages if (root / page).exists()]


def export_all(
    repository: str, folder: Path, root: Path = ROOT, commit: str | None = None
) -> list[Path]:
    """Write every chapter of `root` for Colab into `folder`; the paths of what was written.

    They install `commit` of the repository, by default the one that `root` is at.
    """
    commit = commit_of(root) if commit is None else commit
    pages = notebooks(root)
    drafts = {
        folder / page: export(nbformat.read(root / page, 4), page, repository, set(pages), commit)
        for page in pages
    }
    for path, notebook in drafts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
    return list(drafts)


def main(arguments: list[str], root: Path = ROOT) -> int:
    try:
        address = arguments[0] if arguments else repository(root)
        commit = commit_of(root)
    except ValueError as error:
        print(f"colab: {error}", file=sys.stderr)
        return 2
    folder = root / "_build" / "colab"
    shutil.rmtree(folder, ignore_errors=True)  # chapters that left the contents
    for path in export_all(address, folder, root, commit):
        print(path.relative_to(root))
    return 0


def add_button(app, pagename, templatename, context, doctree) -> None:
    page = f"{pagename}.ipynb"
    if doctree is None or not Path(app.srcdir, page).exists():
        return
    try:
        address = opened_in_colab(repository(Path(app.srcdir)), page)
    except ValueError:
        return
    button = {
        "type": "link",
        "text": "Colab",
        "tooltip": "Run this chapter in Google Colab",
        "icon": "fas fa-rocket",
        "url": address,
        "label": "launch-colab",
    }
    context["header_buttons"].insert(0, button)


def setup(app) -> dict:
    app.connect("html-page-context", add_button, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
