"""Photograph every page of the built book: light and dark, on a desktop, a tablet and a phone."""

from __future__ import annotations

import sys
from pathlib import Path

import browser

BUILD = Path(__file__).resolve().parents[1] / "_build"
WIDTHS = (1280, 768, 360)


def main() -> None:
    pages = browser.pages(BUILD / "html")
    if not pages:
        sys.exit("no pages in _build/html: run `make book` first")
    target = BUILD / "screenshots"
    target.mkdir(exist_ok=True)
    with browser.launch() as chromium:
        for theme in ("light", "dark"):
            for width in WIDTHS:
                page = chromium.new_page(
                    color_scheme=theme, viewport={"width": width, "height": 900}
                )
                for path in pages:
                    browser.open_page(page, path)
                    name = "-".join(path.relative_to(BUILD / "html").with_suffix("").parts)
                    page.screenshot(
                        path=target / f"{name}-{theme}-{width}.png",
                        full_page=True,
                        animations="disabled",
                    )
                page.close()
    print(f"{len(list(target.glob('*.png')))} pictures in {target}")


if __name__ == "__main__":
    main()
