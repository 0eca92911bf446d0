"""How much of each page's height is code and print-outs, and how much is figures.

    python scripts/page_shares.py [HTML]

Measured on the built pages in a window of 1280 pixels as they open, folds closed. Code and
print-outs are cells' inputs, literal blocks and outputs in fixed type; tables count as neither.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import browser

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
WIDTH = 1280
CODE = "div.cell_input, div[class*='highlight-'], div.cell_output pre, pre"
FIGURE = "img, svg:not(button svg, a svg), canvas"
# Heights of the outermost visible elements of each kind: what lies in another is counted with it.
MEASURE = """([code, figure]) => {
  const article = document.querySelector('article');
  const sum = selector => [...article.querySelectorAll(selector)]
    .filter(e => e.checkVisibility() && !e.parentElement.closest(selector)
      && e.parentElement.closest('article'))
    .map(e => e.getBoundingClientRect().height)
    .reduce((a, b) => a + b, 0);
  const pictures = [...article.querySelectorAll('img')].map(image => {
    image.loading = 'eager';
    return image.decode().catch(() => null);
  });
  return Promise.all(pictures).then(() => ({
    height: article.getBoundingClientRect().height,
    code: sum(code),
    figures: sum(figure),
  }));
}"""


@dataclass(frozen=True)
class Shares:
    """Of a page: its height in pixels, and how much of it is code and figures, in percent."""

    height: float
    code: float
    figures: float


def shares(page, path: Path) -> Shares:
    """The shares of the built page at `path`, opened in `page`, which is `WIDTH` wide."""
    browser.open_page(page, path)
    found = page.evaluate(MEASURE, [CODE, FIGURE])
    percent = 100 / found["height"]
    return Shares(found["height"], percent * found["code"], percent * found["figures"])


def main(html: Path) -> None:
    pages = sorted((html / "chapters").rglob("*.html"))
    if not pages:
        sys.exit(f"no pages in {html}: run `make book` first")
    print(f"{'page':<24}{'height':>9}{'code':>8}{'figures':>9}")
    with browser.launch() as chromium:
        page = chromium.new_page(viewport={"width": WIDTH, "height": 900})
        for path in [html / "intro.html", *pages]:
            s = shares(page, path)
            name = path.relative_to(html).with_suffix("").as_posix().removeprefix("chapters/")
            print(f"{name:<24}{s.height:>6,.0f} px{s.code:>6.0f} %{s.figures:>7.0f} %")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HTML)
