"""What a reader sees of each page as it opens: nothing cut, text that can be read, code beside."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import browser
import page_shares
import pytest

WIDE, PHONE = 1280, 360
CONTRAST, LEAST = 4.5, 9  # of text to its ground; pixels of a figure's text on a phone

# Code and tables that are wider than the box that shows them, and whether something says so.
CUT = """() => [...document.querySelectorAll('article :is(pre, table, .figure-box)')]
  .filter(e => e.checkVisibility())
  .map(e => {
    let box = e;
    while (box.tagName !== 'ARTICLE' && box.scrollWidth <= box.clientWidth + 1)
      box = box.parentElement;
    return box;
  })
  .filter(box => box.tagName !== 'ARTICLE' && /auto|scroll|hidden/.test(
    getComputedStyle(box).overflowX))
  .map(box => [box.outerHTML.slice(0, 120), getComputedStyle(box).maskImage !== 'none' ||
    // A column that stays casts its shadow on what goes on beneath it.
    [...box.querySelectorAll('tbody tr > :last-child')].some(e =>
      getComputedStyle(e).position === 'sticky' && getComputedStyle(e).boxShadow !== 'none')])"""

# Of each line of text in a figure: its colour, that of the ground beneath it, its size in pixels.
TEXTS = """() => {
  const rgb = color => color.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], ground) => [r, g, b].map((c, i) => a * c + (1 - a) * ground[i]);
  const page = rgb(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  const found = [];
  for (const svg of document.querySelectorAll('svg.figure')) {
    if (!svg.checkVisibility()) continue;
    const shapes = [...svg.querySelectorAll('path, use, rect')]
      // Letters are no ground, but the box behind them is.
      .filter(e => !e.closest('defs') &&
        (!e.closest('[id*="-text_"]') || e.closest('[id*="-text_"] [id*="-patch_"]')))
      .map(e => ({e, style: getComputedStyle(e), area: e.getBoundingClientRect()}))
      .filter(({style}) => style.fill !== 'none')
      .map(({e, style, area}) =>
        ({e, area, fill: style.fill, opacity: style.fillOpacity * style.opacity}));
    const unit = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    for (const text of svg.querySelectorAll('[id*="-text_"] > g, [id*="-text_"] > a > g')) {
      const scale = text.getAttribute('transform')?.match(/scale\\(([\\d.]+)/)?.[1];
      if (!scale) continue;
      const box = text.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      let ground = page;
      for (const {e, area, fill, opacity} of shapes) {
        if (area.left > x || area.right < x || area.top > y || area.bottom < y) continue;
        const at = new DOMPoint(x, y).matrixTransform(e.getScreenCTM().inverse());
        if (!e.isPointInFill?.(at)) continue;
        const color = rgb(fill);
        ground = over([...color.slice(0, 3), (color[3] ?? 1) * opacity], ground);
      }
      const glyph = text.querySelector('use, path') ?? text;
      found.push([over(rgb(getComputedStyle(glyph).fill), ground), ground, 100 * scale * unit]);
    }
  }
  return found;
}"""


HEADINGS = """() => ['h1', 'h2', 'h3', 'h4'].map(h => document.querySelector(`article ${h}`))
  .filter(Boolean).map(h => getComputedStyle(h))
  .map(s => [parseFloat(s.fontSize), parseInt(s.fontWeight)])"""
# Whether the last row of each profile lies within the box that shows the table.
TOTALS = """() => [...document.querySelectorAll('.profile-box')].map(scrolled => {
  const box = scrolled.getBoundingClientRect();
  const total = scrolled.querySelector('tbody tr:last-child th, tbody tr:last-child td')
    .getBoundingClientRect();
  return total.top >= box.top && total.bottom <= box.bottom + 1;
})"""


@dataclass
class Look:
    """What was seen of a page: on a desktop, and on a phone in both themes."""

    cut_wide: list = field(default_factory=list)
    headings: list = field(default_factory=list)
    totals: list = field(default_factory=list)
    cut_narrow: list = field(default_factory=list)
    texts: dict[str, list] = field(default_factory=dict)


@pytest.fixture(scope="module")
def looks(chromium, html) -> dict[str, Look]:
    paths = [html / "intro.html", *sorted((html / "chapters").rglob("*.html"))]
    assert len(paths) > 20
    page = chromium.new_page(viewport={"width": WIDE, "height": 900}, color_scheme="light")
    found = {}
    for path in paths:
        look = found[path.relative_to(html).as_posix()] = Look()
        page.set_viewport_size({"width": WIDE, "height": 900})
        browser.open_page(page, path)
        look.cut_wide = page.evaluate(CUT)
        look.headings = page.evaluate(HEADINGS)
        look.totals = page.evaluate(TOTALS)
        page.set_viewport_size({"width": PHONE, "height": 900})
        page.evaluate("() => new Promise(done => setTimeout(done, 100))")  # the hints are set
        look.cut_narrow = page.evaluate(CUT)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_function("t => document.documentElement.dataset.theme === t", arg=theme)
            look.texts[theme] = page.evaluate(TEXTS)
        page.emulate_media(color_scheme="light")
    page.close()
    return found


def luminance(color: list[float]) -> float:
    parts = [c / 255 for c in color]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: list[float], other: list[float]) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_no_code_and_no_table_is_cut_on_a_desktop(looks):
    cut = {name: [html for html, _ in look.cut_wide] for name, look in looks.items()}
    assert {name: found for name, found in cut.items() if found} == {}


def test_what_is_cut_on_a_phone_says_so(looks):
    assert sum(len(look.cut_narrow) for look in looks.values()) > 5, "no box that scrolls is seen"
    silent = {name: [h for h, hint in look.cut_narrow if not hint] for name, look in looks.items()}
    assert {name: found for name, found in silent.items() if found} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_in_figures_stands_out_and_is_large_enough(looks, theme):
    texts = {name: look.texts[theme] for name, look in looks.items()}
    assert sum(map(len, texts.values())) > 500, "no text in figures is seen"
    faint = {
        name: sorted({round(contrast(ink, ground), 1) for ink, ground, _ in found})
        for name, found in texts.items()
    }
    assert {n: f for n, f in faint.items() if f and f[0] < CONTRAST} == {}
    small = {name: min((size for *_, size in found), default=99) for name, found in texts.items()}
    assert {name: size for name, size in small.items() if size < LEAST - 0.05} == {}


def test_a_smaller_heading_never_outweighs_a_larger_one(looks):
    for name, look in looks.items():
        for large, small in itertools.pairwise(look.headings):
            assert large[0] > small[0] and large[1] >= small[1], name


def test_totals_are_in_sight_wherever_the_table_is(looks):
    totals = {name: look.totals for name, look in looks.items() if look.totals}
    assert len(totals) > 2
    assert {name: found for name, found in totals.items() if not all(found)} == {}


def test_shares_count_what_is_seen(chromium, tmp_path):
    page = chromium.new_page(viewport={"width": page_shares.WIDTH, "height": 900})
    path = tmp_path / "page.html"
    path.write_text("""<!DOCTYPE html><style>* { margin: 0 } div, svg { display: block }</style>
      <article><div class="cell_input" style="height: 100px"><pre>x</pre></div>
      <svg style="width: 10px; height: 300px"></svg>
      <details><summary style="height: 20px">s</summary>
      <div class="cell_input" style="height: 99px"></div></details>
      <table style="height: 80px"></table><div style="height: 500px">words</div></article>""")
    found = page_shares.shares(page, path)
    page.close()
    assert (found.height, round(found.code), round(found.figures)) == (1000, 10, 30)


def test_a_table_shows_its_names_in_code(chromium, html):
    """By the keyboard, and back."""
    page = chromium.new_page(viewport={"width": PHONE, "height": 900})
    browser.open_page(page, html / "chapters" / "measuring.html")
    table = page.locator("table.profile").first
    first = table.locator("tbody th").first
    words = first.inner_text()
    assert words == "conv 11×11, 64, stride 4"
    button = table.get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    assert first.inner_text() == "features.0" and first.get_attribute("title") == words
    assert button.inner_text() == "Names in words"
    page.keyboard.press("Enter")
    assert first.inner_text() == words and first.get_attribute("title") == "features.0"
    assert table.locator("tbody th").last.inner_text() == "total"
    page.close()
