"""The whole book as PDF and as EPUB, linked from its pages where it lies beside them.

    python _ext/downloads.py [BOOK]

`make site` binds both and runs this, which puts them into `_build/html` and links them from the
first page and from the line under each chapter's title. A build takes files and links away: what
was bound of earlier pages is out of date, and a link must lead somewhere.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from posixpath import relpath

FORMATS = {"book.pdf": "PDF", "book.epub": "EPUB"}
# Where a page has the links: with these words before them.
PLACE = re.compile(r'(<span class="whole-book" data-before="([^"]*)">).*?(</span>)', re.DOTALL)


def place(before: str = "") -> str:
    """HTML of the place for the links; `before` are words for it, of text without markup."""
    return f'<span class="whole-book" data-before="{before}"></span>'


def offer(html: Path) -> None:
    """Let the pages in `html` link what lies beside them of `FORMATS`, and nothing else."""
    files = {name: html / name for name in FORMATS if (html / name).is_file()}
    for path in html.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        up = relpath(html.as_posix(), path.parent.as_posix())
        links = [
            f'<a href="{name if up == "." else f"{up}/{name}"}" download '
            f'title="The whole book, {size(file)}">{FORMATS[name]}</a>'
            for name, file in files.items()
        ]

        def filled(match: re.Match, links: list[str] = links) -> str:
            before = match[2] if links else ""
            return f"{match[1]}{before}{(', ' if before else ' ').join(links)}{match[3]}"

        if (new := PLACE.sub(filled, text)) != text:
            path.write_text(new, encoding="utf-8")


def size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.1f} MB"


def take_away(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    html = Path(app.outdir)
    for name in FORMATS:
        (html / name).unlink(missing_ok=True)
    offer(html)


def setup(app) -> dict:
    app.connect("build-finished", take_away, priority=650)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def main(book: Path) -> int:
    build = book / "_build"
    html = build / "html"
    if missing := [name for name in FORMATS if not (build / name).is_file()]:
        print(f"no {' and no '.join(missing)} in {build}: run `make site`", file=sys.stderr)
        return 1
    for name in FORMATS:
        shutil.copyfile(build / name, html / name)
    offer(html)
    print(", ".join(f"{html / name}: {size(html / name)}" for name in FORMATS))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
