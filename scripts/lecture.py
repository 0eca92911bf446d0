"""The lecturer's pack: slides of each chapter, all figures, and a plan.

    python scripts/lecture.py        into _build/teacher: slides/, figures.zip, plan.md

A slide is made of what a chapter has: its title and question, each figure with its caption, its
claims with their verdicts, what it left unsolved. There is no second copy of any text. A cell
that is tagged `no-slide` is left out. The tests' browser makes pictures and PDFs.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

import browser
import nbformat
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]
REVEAL = Path(__file__).resolve().with_name("reveal")
WIDTH, HEIGHT = 1280, 720
MOST = 20  # slides a chapter
CARDS = 2  # claims a slide
SHOWN = 3  # at most so many points of a list
STYLE = """
body { background: #fff } .reveal { font: 26px/1.4 system-ui, sans-serif; color: #222832 }
.reveal .slides { text-align: left } .reveal section { box-sizing: border-box; padding: 24px 40px }
.reveal h1 { font-size: 60px; margin: 120px 0 30px }
.reveal h2 { font-size: 34px; margin: 0 0 16px }
.reveal img { display: block; max-width: 1180px; height: 500px; object-fit: contain;
  margin: 0 auto }
.reveal figcaption { font-size: 21px; color: #48566b; margin-top: 12px }
.reveal figure { margin: 0 }
.reveal blockquote { margin: 0 0 18px; padding: 8px 20px; border-left: 6px solid #1d5f98 }
.reveal blockquote p { margin: 4px 0 } .reveal small { font-size: 20px; color: #48566b }
.reveal li { margin-bottom: 12px } .reveal a { color: #0a6577 }
@page { size: 1280px 720px; margin: 0 }
"""
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<link rel="stylesheet" href="reveal/reveal.css"><style>{style}</style></head>
<body><div class="reveal"><div class="slides">
{slides}
</div></div><script src="reveal/reveal.js"></script>
<script>Reveal.initialize({{width: {width}, height: {height}, margin: 0, center: false, hash: true,
transition: "none", pdfSeparateFragments: false}});</script></body></html>
"""


@dataclass(frozen=True)
class Figure:
    """A figure of a chapter as the notebook has it."""

    chapter: str
    name: str
    heading: str
    caption: str
    alt: str
    svg: str


def text_of(markdown: str) -> str:
    """A paragraph of a chapter without its markup."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(markdown.split()))
    return re.sub(r"\*\*|(?<!\w)[*_]|[*_](?!\w)|`|\$", "", text)


def cells_of(chapter: str, root: Path = ROOT) -> list:
    cells = nbformat.read(root / "chapters" / f"{chapter}.ipynb", as_version=4).cells
    return [cell for cell in cells if "no-slide" not in cell.metadata.get("tags", [])]


def figures(chapter: str, root: Path = ROOT) -> list[Figure]:
    """Every figure of a chapter that has a caption, in order."""
    found, heading = [], ""
    for cell in cells_of(chapter, root):
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^##+ (.+)$", cell.source, re.M) or [heading])[-1]
            continue
        about = cell.metadata.get("mystnb", {})
        svgs = [
            o.data["image/svg+xml"] for o in cell.outputs if "image/svg+xml" in o.get("data", {})
        ]
        if "figure" in about and svgs:
            name = about["figure"].get("name", f"{chapter}-{len(found) + 1}").removeprefix("fig-")
            alt = about.get("image", {}).get("alt", "")
            caption = text_of(about["figure"]["caption"])
            found.append(Figure(chapter, name, text_of(heading), caption, alt, svgs[0]))
    return found


def cards(chapter: str, root: Path = ROOT) -> list[tuple[str, str, str]]:
    """Verdict, statement and measurement of each claim that a chapter shows as a card."""
    found = []
    for cell in cells_of(chapter, root):
        for output in cell.get("outputs", []):
            soup = BeautifulSoup(output.get("data", {}).get("text/html", ""), "html.parser")
            for card in soup.select("div.claim"):
                verdict = card.select_one(".claim-verdict").get_text()
                measured = card.select_one(".claim-measured").get_text()
                found.append((verdict, card.q.get_text(), measured))
    return found


def slides(chapter: str, root: Path = ROOT) -> list[str]:
    """The slides of a chapter, as HTML."""
    markdown = [c.source for c in cells_of(chapter, root) if c.cell_type == "markdown"]
    blocks = [block.strip() for block in "\n\n".join(markdown).split("\n\n")]
    title = next(block for block in blocks if block.startswith("# "))[2:]
    opening = text_of(blocks[blocks.index(f"# {title}") + 1])
    made = [f"<h1>{escape(title)}</h1><p>{escape(opening)}</p>"]
    for figure in figures(chapter, root):
        source = base64.b64encode(figure.svg.encode()).decode()
        made.append(
            f"<h2>{escape(figure.heading or title)}</h2><figure>"
            f'<img src="data:image/svg+xml;base64,{source}" alt="{escape(figure.alt)}">'
            f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
        )
    claims = cards(chapter, root)
    for i in range(0, len(claims), CARDS):
        quotes = "".join(
            f"<blockquote><p><strong>{escape(verdict)}.</strong> “{escape(statement)}”</p>"
            f"<p><small>{escape(shortened(measured))}</small></p></blockquote>"
            for verdict, statement, measured in claims[i : i + CARDS]
        )
        made.append(f"<h2>The notes, checked</h2>{quotes}")
    left = re.search(r"^## What (?:it|is) left unsolved\n+((?:- .*\n(?:  .*\n?)*)+)",
                     "\n\n".join(markdown) + "\n", re.M)  # fmt: skip
    points = re.findall(r"^- (.*(?:\n  .*)*)", left[1], re.M)[:SHOWN] if left else []
    items = "".join(f"<li>{escape(text_of(point))}</li>" for point in points)
    links = (
        f'<p><a href="../../html/chapters/{chapter}.html">The chapter</a> · '
        '<a href="../../html/chapters/live.html">the live network</a> · '
        '<a href="../../html/chapters/explorer.html">the explorer</a></p>'
    )
    made.append((f"<h2>What is left unsolved</h2><ul>{items}</ul>" if items else "") + links)
    # The claims make room first: a figure says what no sentence does.
    while len(made) > MOST and any("The notes, checked" in slide for slide in made):
        made.remove([slide for slide in made if "The notes, checked" in slide][-1])
    return made


def shortened(text: str, most: int = 420) -> str:
    return text if len(text) <= most else f"{text[:most].rsplit(' ', 1)[0]} …"


def page(chapter: str, root: Path = ROOT) -> str:
    """The deck of a chapter, to be shown by a browser from a file."""
    made = slides(chapter, root)
    title = re.search(r"<h1>(.*?)</h1>", made[0])[1]
    body = "\n".join(f"<section>{slide}</section>" for slide in made)
    return PAGE.format(title=title, style=STYLE, slides=body, width=WIDTH, height=HEIGHT)


def plan(chapters: list[str]) -> str:
    """Where to begin: a lecture, a course, and where each claim of the notes is treated."""
    from cnnbook import claims

    rows = "\n".join(
        f"| {claim.statement.replace('|', ' ')} | {claim.chapter} | `cnnbook claims {claim.id}` |"
        for claim in claims.ledger()
    )
    template = Path(__file__).resolve().parents[1] / "docs" / "teaching.md"
    return f"{template.read_text('utf-8')}\n| claim | chapter | check |\n|---|---|---|\n{rows}\n"


def zipped(path: Path, found: list[Figure], screen) -> None:
    """All figures as SVG and PNG, with captions and sources."""
    index = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for figure in found:
            name = f"{figure.chapter}/{figure.name}"
            screen.set_content(
                f"<style>body {{ margin: 0; background: #fff }} svg {{ display: block }}</style>"
                f"{figure.svg[figure.svg.index('<svg') :]}"
            )
            archive.writestr(f"{name}.svg", figure.svg)
            archive.writestr(f"{name}.png", screen.locator("svg").first.screenshot())
            index.append(
                {
                    "file": name,
                    "caption": figure.caption,
                    "alt": figure.alt,
                    "source": f"chapters/{figure.chapter}.ipynb",
                    "license": "CC BY 4.0",
                }
            )
        archive.writestr("captions.json", json.dumps(index, indent=1, ensure_ascii=False))


def main(root: Path = ROOT) -> int:
    from course import chapters

    names = chapters(root)
    folder = root / "_build" / "teacher"
    decks = folder / "slides"
    shutil.rmtree(decks, ignore_errors=True)
    shutil.copytree(REVEAL, decks / "reveal")
    (folder / "plan.md").write_text(plan(names), encoding="utf-8")
    with browser.launch() as chromium:
        screen = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT},
                                   device_scale_factor=2)  # fmt: skip
        for name in names:
            path = decks / f"{name}.html"
            path.write_text(page(name, root), encoding="utf-8")
            screen.goto(f"{path.as_uri()}?print-pdf")
            screen.wait_for_function("window.Reveal && Reveal.isReady()")
            content = screen.pdf(width=f"{WIDTH}px", height=f"{HEIGHT}px", print_background=True)
            path.with_suffix(".pdf").write_bytes(content)
            print(path.relative_to(root))
        zipped(folder / "figures.zip", [f for n in names for f in figures(n, root)], screen)
    print((folder / "figures.zip").relative_to(root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
