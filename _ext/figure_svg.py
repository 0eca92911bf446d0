"""A figure of matplotlib as part of the page that shows it.

Its text takes its colour from the page's theme: one tone cannot stand out on white and on black.
Its ids get the figure's own prefix. And it is never so small that its smallest text is below
`LEAST` pixels: on a phone its box scrolls then.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape

LEAST = 9  # CSS pixels of the smallest text
ENLARGED = 1.25  # where the page has the room
# Colours of `cnnbook.figures` and their names in the page's style.
INKS = {
    "#6b7280": "text",
    "#2470b0": "blue",
    "#b45309": "orange",
    "#17795a": "green",
    "#a0478f": "purple",
}
HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
METADATA = re.compile(r"\s*<metadata>.*?</metadata>", re.DOTALL)
OPENING = re.compile(r"<svg[^>]*>")
BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
# A line of text is a group of glyphs, drawn in hundredths of its size and upside down.
TEXT = re.compile(
    r'<g style="(?P<before>[^"]*?)fill: (?P<color>#[0-9a-f]{6})(?P<after>[^"]*)"'
    r'(?P<place> transform="[^"]*scale\((?P<scale>[\d.]+) -[\d.]+\)"[^>]*)>'
)
SIZE = re.compile(r"scale\(([\d.]+) -[\d.]+\)")
ID = re.compile(r'\bid="([^"]+)"')
USE = re.compile(r'(xlink:href="#|url\(#)([^")]+)')


def inlined(svg: str, prefix: str, alt: str) -> str:
    """The markup of `svg` for a page of HTML, its ids behind `prefix`, described by `alt`."""
    svg = METADATA.sub("", HEAD.sub("", svg, count=1)).strip()
    width, height = (float(n) for n in BOX.search(svg).groups())
    sizes = [100 * float(scale) for scale in SIZE.findall(svg)]
    least = LEAST * width / min(sizes) if sizes else 0
    svg = TEXT.sub(ink, svg)
    svg = svg.replace(' target="_blank"', "")  # links lead on within the book
    svg = with_own_ids(svg, prefix)
    svg = USE.sub(rf"\1{prefix}-\2", svg)
    # In points; a page is in pixels.
    style = f"--width: {ENLARGED * width * 4 / 3:.0f}px; --least: {least:.0f}px"
    opening = (
        f'<svg class="figure" role="img" aria-label="{escape(alt)}" style="{style}" '
        f'viewBox="0 0 {width:g} {height:g}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    body = OPENING.sub(lambda _: opening, svg, count=1)
    return f'<div class="figure-box">{body}</div>'


def with_own_ids(svg: str, prefix: str) -> str:
    """`svg` with its ids behind `prefix`, each once: two equal pictures have one id."""
    seen: Counter[str] = Counter()

    def own(match: re.Match) -> str:
        seen[match[1]] += 1
        again = f"-{seen[match[1]]}" if seen[match[1]] > 1 else ""
        return f'id="{prefix}-{match[1]}{again}"'

    return ID.sub(own, svg)


def ink(match: re.Match) -> str:
    """A group of glyphs in the colour that the page has for its tone."""
    color = match["color"]
    if color in INKS:
        color = f"var(--ink-{INKS[color]}, {color})"
    return f'<g style="{match["before"]}fill: {color}{match["after"]}"{match["place"]}>'
