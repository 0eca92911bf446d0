"""The first page and the frame of the chapters: what is there before one turns the wheel."""

from __future__ import annotations

import re
from pathlib import Path

import browser
import pytest
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[2]


# What must lie in the first screen, and how much of it at least.
FIRST_SCREEN = {
    (1280, 800): {"h1": 1, "h1 + p": 1, ".ways": 1, "#hero": 1, ".verdict-count": 1},
    (390, 844): {"h1": 1, "h1 + p": 1, ".ways": 1, "#hero": 0.75},
}


@pytest.mark.parametrize("size", FIRST_SCREEN)
def test_the_first_screen_says_what_it_is_and_shows_it(chromium, html, size):
    width, height = size
    page = chromium.new_page(viewport={"width": width, "height": height})
    browser.open_page(page, html / "intro.html")
    for part, least in FIRST_SCREEN[size].items():
        box = page.locator(f"article {part}").first.bounding_box()
        seen = min(height, box["y"] + box["height"]) - box["y"]
        assert seen >= least * box["height"] > 0, part
    page.close()


def test_the_first_page_names_the_lecture_and_leads_on(html, parsed):
    page = parsed(html / "intro.html")
    first = " ".join(p.get_text() for p in page.select("article p")[:2])
    assert "textbook for students" in first and "lecture 8" in first
    (lecture,) = page.select("article a[href*='eecs498']")
    assert lecture.get_text().split() == ["EECS", "498-007", "/", "598-005"]
    ways = {way.get_text(): way["href"] for way in page.select(".ways a")}
    assert {"Start reading", "Explorer"} <= set(ways)
    assert all((html / to).exists() for to in ways.values() if "://" not in to)


def test_each_name_in_the_picture_leads_to_its_chapter(html):
    text = (html / "intro.html").read_text()
    wide = text[text.index('class="is-wide"') : text.index('class="is-narrow"')]
    name = r'<g id="w-text_\d+">\s*<a xlink:href="([^"]+)"[^>]*>\s*<!-- (.*?) -->'
    links = re.findall(name, wide)
    found = {name: to for to, name in links}
    assert found["ResNet-50 2015"] == "chapters/resnet.html"
    assert found["VGG-16 2014"] == "chapters/vgg.html"
    assert len(found) >= 7 and all((html / to).exists() for to in found.values())


def test_the_picture_shows_published_errors_and_the_profile_s_costs(html):
    import landing

    table = landing.table()
    assert table.error["alexnet"] == pytest.approx(43.478)
    assert table.error["vgg16"] == pytest.approx(28.408)
    assert table.error["googlenet"] - table.error["vgg16"] == pytest.approx(1.8, abs=0.05)
    assert table.flops["resnet50"] == 4_089_184_256
    assert table.params["googlenet"] == 6_624_904  # without the heads that do not run


def test_the_strip_has_every_claim_and_its_verdict(html, parsed):
    cards = parsed(html / "chapters" / "claims.html").select(".claim[id]")
    squares = parsed(html / "intro.html").select(".verdict-strip a")
    kinds = {card["id"]: set(card["class"]) - {"claim"} for card in cards}
    assert len(kinds) > 30
    shown = {a["href"].partition("#")[2]: set(a["class"]) for a in squares}
    assert shown == kinds
    count = parsed(html / "intro.html").select_one(".verdict-count").get_text()
    numbers = [int(n) for n in re.findall(r"\d+", count)]
    assert numbers[0] == len(kinds) == sum(numbers[1:])


def test_next_and_previous_follow_the_chapters(html, parsed):
    pages = [page for page in parse_toc_yaml(ROOT / "_toc.yml")]
    chapters = [page for page in pages if not page.startswith("chapters/solutions/")]
    for page in pages:
        soup = parsed(html / f"{page}.html")
        found = {
            way: (html / page).parent.joinpath(a["href"]).resolve().relative_to(html.resolve())
            for way in ("left-prev", "right-next")
            for a in soup.select(f"a.{way}")
        }
        own = page.replace("solutions/", "")
        place = chapters.index(own)
        before = own if own != page else chapters[place - 1] if place else None
        after = chapters[place + 1] if place + 1 < len(chapters) else None
        expected = {"left-prev": before, "right-next": after}
        expected = {way: f"{to}.html" for way, to in expected.items() if to}
        assert {way: to.as_posix() for way, to in found.items()} == expected, page


def test_exercises_lead_to_their_solutions(html, parsed):
    for path in (html / "chapters" / "solutions").glob("*.html"):
        exercises = parsed(html / "chapters" / path.name).select_one("section#exercises")
        address = f"solutions/{path.name}"
        assert exercises.select(f"a[href^='{address}']"), path.name


def test_chapters_have_their_line(html, parsed):
    for page in parse_toc_yaml(ROOT / "_toc.yml"):
        source = ROOT / f"{page}.ipynb"
        if not source.exists() or "solutions" in page or page in ("chapters/claims",):
            continue
        line = parsed(html / f"{page}.html").select_one("h1 ~ .chapter-line")
        assert line is not None, page
        assert line.select_one("a[download]") and line.select_one("button.prints"), page
        for link in line.select("a[href^='#']"):
            assert parsed(html / f"{page}.html").find(id=link["href"][1:]), link


def test_code_is_behind_what_it_made(html, parsed):
    """Beneath each figure, table and card; what defines or prints something stays open."""
    soup = parsed(html / "chapters" / "resnet.html")
    for figure in soup.select("div.cell:has(svg.figure), div.cell:has(table.dataframe)"):
        code = figure.select_one("div.cell_input")
        assert code.find_parent("details"), figure.get_text()[:80]
    assert [cell for cell in soup.select("div.cell_input") if not cell.find_parent("details")]


def test_no_bar_of_progress_no_empty_output_and_no_empty_head_is_left(html, parsed):
    for path in browser.pages(html):
        soup = parsed(path)
        assert not re.search(r"\d%\|", soup.get_text()), path.name
        printed = soup.select(".cell_output > .output:is(.text_plain, .stream)")
        assert all(output.get_text(strip=True) for output in printed), path.name
        for table in soup.select("table.dataframe"):
            rows = table.select("thead tr")
            texts = [[cell.get_text(strip=True) for cell in row.select("td, th")] for row in rows]
            assert len(rows) < 2 or sum(map(bool, texts[1])) > 1, (path.name, texts)
