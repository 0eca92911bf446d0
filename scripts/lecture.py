"""The lecturer's pack: slides of each chapter, all figures, and a plan.

    python scripts/lecture.py        into _build/teacher: slides/, figures.zip, plan.md

A slide is made of what a chapter has: its title and question, each figure with its caption, its
claims with their verdicts, what it left unsolved. There is no second copy of any text. The tests'
browser makes pictures and PDFs.

A figure is as large as its slide lets it be: its caption stands beneath it, or beside it if it is
tall. One whose letters would still be too small to read is cut where it has a gap, and the parts
stand side by side.
"""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from xml.etree import ElementTree

import browser
import nbformat
import yaml
from bs4 import BeautifulSoup
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_ext"))

from identity import pages_of  # noqa: E402

REVEAL = Path(__file__).resolve().with_name("reveal")
WIDTH, HEIGHT = 1280, 720
MOST = 20  # slides a chapter
SHOWN = 3  # at most so many points of a list
# In pixels of a slide: its room, the lines of its texts, and letters to a line, a little too few.
ROOM, HEAD = HEIGHT - 50, 64
BENEATH, CAPTION, WIDE = 1200, 30, 92
BESIDE = 790  # of a figure whose caption is beside it; at its right are reveal.js's arrows
STATEMENT, MEASURED, LETTERS = 36, 28, (76, 100)
FRAME = 52  # of a claim, besides its lines
LEGIBLE = 9.5  # the size of a figure's smallest letters, or it is cut
PARTS, GAP = (2, 3, 4), 30
CHECKED = "The notes, checked"
STYLE = """
body { background: #fff } .reveal { font: 26px/1.4 system-ui, sans-serif; color: #222832 }
.reveal .slides { text-align: left } .reveal section { box-sizing: border-box; padding: 24px 40px }
.reveal h1 { font-size: 60px; margin: 120px 0 30px }
.reveal h2 { font-size: 34px; margin: 0 0 16px }
.reveal img { display: block; max-width: none; max-height: none; margin: 0 }
.reveal figure { margin: 0 }
.reveal figcaption { font-size: 21px; color: #48566b; margin-top: 12px; padding-right: 90px }
.parts { display: flex; justify-content: center; gap: 30px }
.beneath .parts { min-height: 440px } .parts div:only-child { align-self: center }
.parts div { overflow: hidden }
.beside { display: grid; grid-template: auto 1fr / 330px 790px; gap: 0 20px; height: 670px }
.beside figure { display: contents } .beside .parts { grid-area: 1 / 2 / 3 / 3; align-self: center }
.beside figcaption { padding: 0 }
.reveal blockquote { margin: 0 0 18px; padding: 8px 20px; border-left: 6px solid #1d5f98 }
.reveal blockquote p { margin: 4px 0 }
.reveal small { display: block; font-size: 20px; color: #48566b }
.reveal li { margin-bottom: 12px } .reveal a { color: #0a6577 }
@page { size: 1280px 720px; margin: 0 }
html.print-pdf .reveal .slides section { padding: 24px 40px !important }
html.print-pdf .reveal .slides .pdf-page:last-child { page-break-after: auto }
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
# reveal.js puts each slide on a page, frames after it says that it is ready.
ON_PAGES = """() => document.querySelector('.pdf-page')
  && !document.querySelector('.slides > section')"""
# A PDF goes where it likes: in it, links to files of this folder lead nowhere.
NO_FILES = """document.querySelectorAll('a:not([href^="http"])')
  .forEach(link => link.removeAttribute('href'))"""


@dataclass(frozen=True)
class Figure:
    """A figure of a chapter as the notebook has it."""

    chapter: str
    name: str
    heading: str
    caption: str
    alt: str
    svg: str


def html_of(markdown: str) -> str:
    """A paragraph of a chapter without its markup; its formulas are MathML."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(markdown.split()))
    words, *rest = re.split(r"\$([^$]+)\$", text)
    made = [words, *rest]
    made[::2] = [escape(re.sub(r"\*\*|(?<!\w)[*_]|[*_](?!\w)|`", "", part)) for part in made[::2]]
    made[1::2] = map(convert, made[1::2])
    return "".join(made)


def text_of(markdown: str) -> str:
    """The same as plain text."""
    return BeautifulSoup(html_of(markdown), "html.parser").get_text()


def cells_of(chapter: str, root: Path = ROOT) -> list:
    return nbformat.read(root / "chapters" / f"{chapter}.ipynb", as_version=4).cells


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


# How a figure lies on its slide.


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of a drawing, in its own units."""
    width, height = re.search(r'<svg[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    return float(width), float(height)


def smallest_letters(svg: str) -> float:
    """The size of a drawing's smallest letters, paths of matplotlib's, in its own units."""
    sizes = re.findall(r"scale\(([\d.]+) -", svg)
    return min((100 * float(size) for size in sizes), default=math.inf)


def occupied(svg: str) -> list[tuple[float, float]]:
    """From where to where, downwards, each closed shape, word and picture of a drawing reaches."""
    found = []

    def look(element: ElementTree.Element) -> None:
        kind, transform = element.tag.rpartition("}")[2], element.get("transform", "")
        if kind == "defs":
            return
        if kind == "path" and "z" in element.get("d"):
            places = re.findall(r"-?[\d.]+ (-?[\d.]+)", element.get("d"))
            found.append((min(map(float, places)), max(map(float, places))))
        elif kind == "g" and (
            word := re.match(r"translate\(\S+ (\S+)\).* scale\((\S+) ", transform)
        ):
            base, size = float(word[1]), 100 * float(word[2])
            found.append((base - 0.8 * size, base + 0.25 * size))
            return
        elif kind == "image":  # which matplotlib turns upside down, twice
            top = -float(element.get("y"))
            found.append((top, top + float(element.get("height"))))
        for part in element:
            look(part)

    look(ElementTree.fromstring(svg))
    _, whole = size_of(svg)
    return [(top, end) for top, end in found if end - top < 0.9 * whole]


def cuts(svg: str, parts: int) -> list[float]:
    """Heights to cut a drawing at, ends included: near even parts, where least is cut through."""
    shapes, (_, height) = occupied(svg), size_of(svg)
    found = [0.0]
    for part in range(1, parts):
        even, reach = height * part / parts, height / parts / 6
        tried = [even + reach * step / 50 for step in range(-50, 51)]

        def price(y: float, even: float = even) -> tuple[int, float]:
            return sum(top - 1 < y < end + 1 for top, end in shapes), abs(y - even)

        found.append(min(tried, key=price))
    return [*found, height]


def laid(figure: Figure) -> tuple[bool, list[float], float]:
    """Whether its caption is beside a figure, where it is cut, how many times as large it is."""
    width, height = size_of(figure.svg)
    lines = math.ceil(len(figure.caption) / WIDE)

    def fits(cut: list[float]) -> list[tuple[float, bool, list[float]]]:
        parts, longest = len(cut) - 1, max(b - a for a, b in zip(cut, cut[1:], strict=False))
        return [
            (min((room - GAP * (parts - 1)) / parts / width, high / longest), beside, cut)
            for room, high, beside in (
                (BENEATH, ROOM - HEAD - 12 - CAPTION * lines, False),
                (BESIDE, ROOM, True),
            )
        ]

    best = max(fits([0, height]), key=lambda fit: fit[0])
    if best[0] * smallest_letters(figure.svg) < LEGIBLE:
        tried = [fit for parts in PARTS for fit in fits(cuts(figure.svg, parts))]
        best = max([best, *tried], key=lambda fit: fit[0])
    scale, beside, cut = best
    return beside, cut, scale


def figure_slide(figure: Figure, heading: str) -> str:
    beside, cut, scale = laid(figure)
    source = f"data:image/svg+xml;base64,{base64.b64encode(figure.svg.encode()).decode()}"
    width, _ = size_of(figure.svg)
    parts = ""
    for number, (top, end) in enumerate(zip(cut, cut[1:], strict=False), 1):
        alt = figure.alt if number == 1 else f"The same drawing, part {number} of {len(cut) - 1}"
        parts += (
            f'<div style="width: {width * scale:.1f}px; height: {(end - top) * scale:.1f}px">'
            f'<img src="{source}" alt="{escape(alt)}" style="width: {width * scale:.1f}px; '
            f'margin-top: {-top * scale:.1f}px"></div>'
        )
    return (
        f'<div class="{"beside" if beside else "beneath"}"><h2>{heading}</h2><figure>'
        f'<div class="parts">{parts}</div>'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure></div>"
    )


def claim_slides(found: list[tuple[str, str, str]]) -> list[str]:
    """Slides of claims, in their order, as many on each as it has room for."""
    made, room = [], 0
    for verdict, statement, measured in found:
        texts = (f"{verdict}. “{statement}”", measured)
        needs = FRAME + sum(
            line * math.ceil(len(text) / letters)
            for text, line, letters in zip(texts, (STATEMENT, MEASURED), LETTERS, strict=True)
        )
        if needs > room:
            made, room = [*made, ""], ROOM - HEAD
        made[-1] += (
            f"<blockquote><p><strong>{escape(verdict)}.</strong> “{escape(statement)}”</p>"
            f"<p><small>{escape(measured)}</small></p></blockquote>"
        )
        room -= needs
    return [f"<h2>{CHECKED}</h2>{quotes}" for quotes in made]


def slides(chapter: str, root: Path = ROOT) -> list[str]:
    """The slides of a chapter, as HTML."""
    markdown = [c.source for c in cells_of(chapter, root) if c.cell_type == "markdown"]
    blocks = [block.strip() for block in "\n\n".join(markdown).split("\n\n")]
    title = next(block for block in blocks if block.startswith("# "))[2:]
    opening = html_of(blocks[blocks.index(f"# {title}") + 1])
    made = [f"<h1>{html_of(title)}</h1><p>{opening}</p>"]
    for figure in figures(chapter, root):
        made.append(figure_slide(figure, escape(figure.heading) or html_of(title)))
    left = re.search(r"^## What (?:it|is) left unsolved\n+((?:- .*\n(?:  .*\n?)*)+)",
                     "\n\n".join(markdown) + "\n", re.M)  # fmt: skip
    points = re.findall(r"^- (.*(?:\n  .*)*)", left[1], re.M)[:SHOWN] if left else []
    items = "".join(f"<li>{html_of(point)}</li>" for point in points)
    pages = f"{address(root) or '../../html/'}chapters"
    links = " · ".join(
        f'<a href="{pages}/{page}.html">{words}</a>'
        for page, words in (
            (chapter, "The chapter"),
            ("live", "the live network"),
            ("explorer", "the explorer"),
        )
    )
    end = f"<h2>What is left unsolved</h2><ul>{items}</ul>" if items else "<h2>To go on</h2>"
    # The claims make room first: a figure says what no sentence does.
    checked = claim_slides(cards(chapter, root))
    shown = checked[: max(0, MOST - len(made) - 1)]
    if left_out := sum(slide.count("<blockquote>") for slide in checked[len(shown) :]):
        end += f"<p>Statements of the notes checked in the chapter besides: {left_out}.</p>"
    return [*made, *shown, f"{end}<p>{links}</p>"]


def address(root: Path) -> str:
    """Where the book's pages are shown, with a slash at its end; "" if that is not known."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    base = config["html"].get("baseurl") or pages_of(root)
    return f"{base.rstrip('/')}/" if base else ""


def page(chapter: str, root: Path = ROOT) -> str:
    """The deck of a chapter, to be shown by a browser from a file."""
    made = slides(chapter, root)
    title = re.search(r"<h1>(.*?)</h1>", made[0])[1]
    body = "\n".join(f"<section>{slide}</section>" for slide in made)
    return PAGE.format(title=title, style=STYLE, slides=body, width=WIDTH, height=HEIGHT)


def printed(screen, path: Path) -> bytes:
    """The deck at `path` as a PDF, a page a slide."""
    screen.goto(f"{path.as_uri()}?print-pdf")
    screen.wait_for_function(ON_PAGES)
    screen.evaluate(NO_FILES)
    return screen.pdf(width=f"{WIDTH}px", height=f"{HEIGHT}px", print_background=True)


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
            path.with_suffix(".pdf").write_bytes(printed(screen, path))
            print(path.relative_to(root))
        zipped(folder / "figures.zip", [f for n in names for f in figures(n, root)], screen)
    print((folder / "figures.zip").relative_to(root))
    return 0


if __name__ == "__main__":
    sys.exit(main())
