"""What a reader does with the built pages: search, switch, copy, unfold, tab, print, get lost."""

from __future__ import annotations

import mimetypes

import browser
import pytest

# Everything that the Tab key must stop at, and whether the focus can be seen.
STOPS = """() => {
  const all = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
  const shown = e => e.checkVisibility({visibilityProperty: true}) && !e.closest('dialog');
  const group = e => [...document.getElementsByName(e.name)]; // of radio buttons Tab reaches one
  const one = e => e.type !== 'radio' || e === (group(e).find(r => r.checked) ?? group(e)[0]);
  return [...document.querySelectorAll(all)]
    .filter(e => shown(e) && one(e) && !e.disabled && e.tabIndex >= 0 && e.getClientRects().length)
    .map((e, i) => (e.dataset.stop = i, e.outerHTML.slice(0, 120)));
}"""
AT = """() => {
  const e = document.activeElement;
  // The theme outlines a toggle of the contents around its arrow.
  const seen = [e, ...e.querySelectorAll('.toctree-toggle')].map(part => getComputedStyle(part))
    .some(style => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
      || style.boxShadow !== 'none');
  return [e.dataset.stop, seen];
}"""
MOVING = """() => [...document.querySelectorAll('*')].flatMap(e =>
  ['', '::before', '::after'].filter(part => {
    const style = getComputedStyle(e, part);
    return style.transitionDuration.split(', ').some(t => parseFloat(t) > 0)
      || style.animationName !== 'none' || style.scrollBehavior === 'smooth';
  }).map(part => `${e.tagName}.${e.className}${part}`))"""
BOX = ".profile-box"


@pytest.fixture
def page(chromium):
    """A desktop's window, light; it fails on any message."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    messages = []
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("console", lambda m: messages.append(m.text) if m.type in ("warning", "error") else 0)
    yield page
    page.close()
    assert messages == []


def serve(page, html, base: str) -> None:
    """Answer `page` as a host would that has the book at `base`."""

    def answer(route) -> None:
        path = html / route.request.url.removeprefix(base).partition("?")[0]
        status = 200 if path.is_file() else 404
        path = path if path.is_file() else html / "404.html"
        kind = mimetypes.guess_type(path.name)[0]
        route.fulfill(status=status, body=path.read_bytes(), content_type=kind)

    page.route("**", answer)


def test_search_finds_pages_and_leads_to_them(page, html):
    browser.open_page(page, html / "chapters" / "alexnet.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("bottleneck")
    page.keyboard.press("Enter")
    result = page.locator("#search-results a[href*='resnet.html']").first
    result.click()
    page.wait_for_url("**/chapters/resnet.html*")
    assert "bottleneck" in page.locator("article").inner_text().lower()


def test_search_on_a_host_shows_excerpts(page, html):
    base = "https://book.example/"
    serve(page, html, base)
    page.goto(f"{base}search.html?q=bottleneck")
    excerpt = page.locator("#search-results li", has=page.locator("a[href*='resnet.html']")).first
    excerpt.locator("p.context", has_text="bottleneck").wait_for()


def test_there_is_one_search_bar(page, html):
    browser.open_page(page, html / "chapters" / "alexnet.html")
    assert page.locator(":is(.search-button-field, input[type=search]):visible").count() == 1
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.locator(":is(.search-button, input[type=search]):visible").count() == 1


def test_the_theme_switch_switches_and_is_remembered(page, html):
    browser.open_page(page, html / "intro.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    for _ in range(3):  # auto, light, dark
        if page.evaluate("document.documentElement.dataset.theme") != "dark":
            page.locator(".theme-switch-button:visible").click()
    dark = page.evaluate(colour)
    assert dark != light
    browser.open_page(page, html / "chapters" / "vgg.html")
    assert page.evaluate(colour) == dark


def test_code_is_copied_as_it_stands(page, html):
    browser.open_page(page, html / "chapters" / "alexnet.html")
    page.locator("details.code-fold > summary").first.click()
    cell = page.locator("div.cell_input").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.keyboard.press("Control+k")
    page.keyboard.press("Control+v")
    pasted = page.locator("#pst-search-dialog input").input_value()
    assert pasted == " ".join(cell.locator("pre").inner_text().splitlines())  # in one line


@pytest.mark.parametrize(
    "name, fold", [("solutions/alexnet", "details.hide"), ("alexnet", "details.code-fold")]
)
def test_folded_cells_unfold_by_keyboard(page, html, name, fold):
    browser.open_page(page, html / "chapters" / f"{name}.html")
    cell = page.locator(fold).first
    assert not cell.locator("pre").first.is_visible()
    cell.locator("summary").focus()
    page.keyboard.press("Enter")
    assert cell.locator("pre").first.is_visible()


@pytest.mark.parametrize("name", ["intro", "chapters/alexnet", "chapters/explorer"])
def test_the_tab_key_reaches_everything_and_shows_where_it_is(page, html, name):
    browser.open_page(page, html / f"{name}.html")
    page.wait_for_timeout(500)  # the theme waits with the boxes that scroll
    stops = page.evaluate(STOPS)
    reached, unseen = set(), []
    for _ in range(2 * len(stops)):
        page.keyboard.press("Tab")
        stop, seen = page.evaluate(AT)
        if stop is not None:
            if stop in reached:
                break
            reached.add(stop)
            if not seen:
                unseen.append(stops[int(stop)])
    assert [text for i, text in enumerate(stops) if str(i) not in reached] == []
    assert unseen == []


@pytest.mark.parametrize("name", ["chapters/alexnet", "chapters/explorer"])
def test_nothing_moves_for_those_who_want_no_motion(page, html, name):
    page.emulate_media(reduced_motion="reduce")
    browser.open_page(page, html / f"{name}.html")
    assert page.evaluate(MOVING) == []


def test_a_long_table_scrolls_in_its_box_under_its_heads(page, html):
    page.set_viewport_size({"width": 1280, "height": 480})  # lower than the table
    browser.open_page(page, html / "chapters" / "vgg.html")
    box = page.locator(BOX).first
    assert box.evaluate("e => e.scrollHeight > e.clientHeight + 50")
    box.focus()
    page.keyboard.press("End")
    page.wait_for_function(f"document.querySelector('{BOX}').scrollTop > 50")
    head = box.locator("thead th").last.bounding_box()
    assert head["y"] == pytest.approx(box.bounding_box()["y"], abs=1)
    assert box.locator("tbody td").last.evaluate("e => getComputedStyle(e).textAlign") == "right"


@pytest.mark.parametrize(
    "base, wrong",
    [
        ("https://someone.github.io/book/", "a/b/c.html"),
        ("https://someone.github.io/book/", "typo"),
        ("https://book.example/", "chapters/typo.html"),
    ],
)
def test_a_wrong_address_leads_back_however_deep(chromium, html, base, wrong):
    page = chromium.new_page()
    serve(page, html, base)
    assert page.goto(base + wrong).status == 404
    page.get_by_role("link", name="ResNet (2015)").click()
    page.wait_for_load_state()
    assert page.url == f"{base}chapters/resnet.html"
    assert "ResNet" in page.locator("h1").first.inner_text()
    page.close()


@pytest.mark.parametrize("name", ["chapters/googlenet", "chapters/comparing", "chapters/api"])
def test_a_page_prints_its_text_alone_and_cuts_nothing_off(page, html, name):
    width = 673  # of A4 between the margins, at 96 dots an inch
    browser.open_page(page, html / f"{name}.html")
    page.emulate_media(media="print", color_scheme="dark")
    page.set_viewport_size({"width": width, "height": 1000})
    article = page.locator("article").first
    assert article.bounding_box()["x"] < 20
    for part in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", "footer"):
        assert page.locator(f"{part}:visible").count() == 0, part
    cut = """() => [...document.querySelectorAll('article :is(table, pre, img, p, h1, h2)')]
      .filter(e => e.checkVisibility() && (e.getBoundingClientRect().right > innerWidth
        || getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth))
      .map(e => e.outerHTML.slice(0, 100))"""
    assert page.evaluate(cut) == []
    boxes = page.locator(f"{BOX}:visible").all()
    assert all(box.evaluate("e => e.scrollHeight <= e.clientHeight") for box in boxes)


def test_what_is_dark_on_the_screen_is_light_on_paper(page, html):
    page.emulate_media(color_scheme="dark")
    browser.open_page(page, html / "intro.html")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {theme}; }})")
    page.pdf()
    assert page.evaluate("window.printed") == "light"
    assert page.evaluate(theme) == "dark"
