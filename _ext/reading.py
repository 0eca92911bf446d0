"""Order a chapter's page for reading: what was found first, how it was found one click away.

Beneath a figure, a card, a table or a listing its code is folded behind one line: the cell's first
comment if it begins with one, else what the code makes; a single line that shows a listing stands
beneath it. A cell tagged `show-input` stays open, as do cells that define something or print. What
a record says of itself is one folded line, and bars of progress are left out. Figures are set into
the page, so that their text follows its theme. No line parts a number from its % or ×.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, Tag
from figure_svg import inlined
from latex2mathml.converter import convert

# What a cell can show, and what its code is called then.
SHOWN = {
    "figure": "img, svg",
    "card": ".claim",
    "verdicts": ".notes, .rules",
    "table": "table",
    "listing": ".text_markdown pre, .highlight-python",
}
LEDGER = "chapters/claims"
WITHOUT_SCRIPTS = "<noscript><style>.math { display: none }</style></noscript>\n"
PROGRESS = re.compile(r"\d+%\|")
# A size or a share that a line should not part. What stands in columns has gaps of two blanks.
PARTED = re.compile(r"(?<=\d) (?=%)|(?<=\w) (?=×)|(?<=×) (?=\w)")
LITERAL = ("pre", "code", "script", "style", "svg", "math", "textarea")
GAP = re.compile(r"\S {2,}\S")
SHORT = 24  # characters of code that are not parted
# Its runs, scale, seeds and device; then its day, versions and commit.
PROVENANCE = re.compile(r"^(\d+ \w+ of .*?), \d{4}-\d\d-\d\d.*commit [0-9a-f]{6,}.*\n?", re.M)


def reading(app, pagename, templatename, context, doctree) -> None:
    if doctree is None or "body" not in context:
        return
    soup = BeautifulSoup(context["body"], "html.parser")
    formulas = soup.select(".math")
    for formula in formulas:
        without_scripts(formula, soup)
        if formula.name == "span":
            keep_together(formula, soup)
    if formulas:
        context["metatags"] = context.get("metatags", "") + WITHOUT_SCRIPTS
    svgs: dict[str, str] = {}
    for table in soup.select("table.dataframe"):
        join_heads(table)
    for word in soup.select("code .pre"):
        if len(word.get_text()) <= SHORT:
            word["class"] = [*word["class"], "whole"]
    for text in soup.find_all(string=PARTED):
        if type(text) is NavigableString and not text.find_parent(LITERAL):
            text.replace_with(PARTED.sub("\u00a0", text))
    seen: set[str] = set()
    for card in soup.select(".claim[id]"):  # a page may show a card twice
        if card["id"] in seen:
            del card["id"]
        else:
            seen.add(card["id"])
    if pagename != LEDGER:
        lead_to_ledger(soup, app.builder.get_relative_uri(pagename, LEDGER))
    for cell in soup.select("div.cell"):
        leave_out_progress(cell)
        fold_provenance(cell, soup)
        for output in cell.select(".output.stream"):
            if not GAP.search(output.get_text()):
                output["class"] = [*output["class"], "sentences"]
    if "/solutions/" not in pagename:
        for cell in soup.select("div.cell"):
            fold(cell, soup)
    sources = {f"_images/{name}": path for path, name in app.builder.images.items()}
    for image in soup.select("div.cell_output img[src$='.svg']"):
        source = sources.get(image["src"].lstrip("./"))
        if source is None:
            continue
        number = len(svgs)
        text = Path(app.srcdir, source).read_text(encoding="utf-8")
        svgs[f"@@figure-{number}@@"] = inlined(text, f"f{number}", image.get("alt", ""))
        image.replace_with(f"@@figure-{number}@@")
    body = str(soup)
    for mark, svg in svgs.items():
        body = body.replace(mark, svg)
    context["body"] = body


def lead_to_ledger(soup: BeautifulSoup, ledger: str) -> None:
    """Let links to a claim lead to its card in the ledger where the page itself has none."""
    for link in soup.select("a[href^='#claim-']"):
        if not soup.find(id=link["href"].removeprefix("#")):
            link["href"] = ledger + link["href"]


def join_heads(table: Tag) -> None:
    """Move an index's names, which pandas writes in a row of their own, beside the columns'."""
    rows = table.select("thead tr")
    if len(rows) != 2:
        return
    upper, lower = (row.find_all(["td", "th"]) for row in rows)
    if len(upper) != len(lower) or any(cell.get("colspan") for cell in upper):
        return
    words = [[cell.get_text(strip=True) for cell in row] for row in (upper, lower)]
    if any(above and below for above, below in list(zip(*words, strict=True))[1:]):
        return
    if words[0][0]:  # the columns' name
        lower[0].string = f"{words[1][0]}, by {words[0][0]}"
    upper[0].replace_with(lower[0])
    for head, above, below in zip(upper[1:], words[0][1:], words[1][1:], strict=True):
        head.string = above or below
    rows[1].decompose()


def leave_out_progress(cell: Tag) -> None:
    """Remove bars of progress that are left over."""
    for output in cell.select(".cell_output > .output"):
        if PROGRESS.match(output.get_text().strip()):
            output.decompose()


def fold_provenance(cell: Tag, soup: BeautifulSoup) -> None:
    """Fold what a record says of itself into one line that names the runs."""
    for output in cell.select(".cell_output > .output.stream"):
        pre = output.find("pre")
        text = pre.get_text() if pre else ""
        for match in PROVENANCE.finditer(text):
            details = soup.new_tag("details", attrs={"class": "provenance"})
            summary = soup.new_tag("summary")
            summary.string = f"Evidence: {match[1]}"
            words = soup.new_tag("p")
            words.string = match[0].strip()
            details.extend([summary, words])
            output.parent.append(details)
        rest = PROVENANCE.sub("", text)
        if rest != text:
            if rest.strip():
                pre.string = rest
            else:
                output.decompose()


def kind_of(cell: Tag) -> str | None:
    """What the cell shows its reader besides print-outs."""
    output = cell.select_one(".cell_output")
    if output is None:
        return None
    return next((kind for kind, found in SHOWN.items() if output.select_one(found)), None)


def only_imports(code: str) -> bool:
    try:
        steps = ast.parse(code).body
    except SyntaxError:  # IPython's own commands
        return False
    return all(isinstance(step, ast.Import | ast.ImportFrom) for step in steps)


def fold(cell: Tag, soup: BeautifulSoup) -> None:
    """Put the code of `cell` beneath what it shows, behind one line."""
    code = cell.select_one("div.cell_input")
    if code is None or "tag_show-input" in cell["class"] or code.find_parent("details"):
        return
    text = code.get_text().strip()
    imports = only_imports(text)
    kind = kind_of(cell)
    if kind is None and not imports:
        return
    more = cell.select(".claim > .claim-more")
    if len(more) == 1:
        more[0].append(code.extract())
        return
    if kind == "listing" and len(text.splitlines()) == 1:  # there is no more to it
        shown = soup.new_tag("p", attrs={"class": "shown-by"})
        shown.append("Shown by ")
        name = soup.new_tag("code")
        name.string = text
        shown.append(name)
        code.replace_with(shown)
        cell.append(shown)
        return
    details = soup.new_tag("details", attrs={"class": "code-fold"})
    summary = soup.new_tag("summary")
    if text.startswith("#"):
        summary.string = f"Code: {text.splitlines()[0].lstrip('# ')}"
    elif kind is None:
        summary.string = "What this chapter imports"
    elif kind == "listing":
        summary.string = f"Code of the listing: {text.splitlines()[-1]}"
    else:
        several = kind == "card" and len(cell.select(".claim")) > 1
        plural = f"{kind}s" if several else kind
        summary.string = f"Code of {'these' if plural.endswith('s') else 'this'} {plural}"
    details.append(summary)
    details.append(code.extract())
    cell.append(details)


def without_scripts(formula: Tag, soup: BeautifulSoup) -> None:
    """Beside a formula, for a reader without scripts, the same in MathML."""
    number = formula.select_one(".eqno")
    source = formula.get_text().strip().removeprefix(number.get_text() if number else "").strip()
    for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]")):
        source = source.removeprefix(opening).removesuffix(closing).strip()
    display = "block" if formula.name == "div" else "inline"
    math = BeautifulSoup(convert(source, display=display), "html.parser")
    math.math["alttext"] = source
    for name in math.select("mi + :not(mo, mspace)"):  # log x, whose parts TeX sets apart
        if len(name.find_previous_sibling("mi").get_text()) > 1:
            name.insert_before(soup.new_tag("mspace", width="0.167em"))
    fallback = soup.new_tag("noscript")
    fallback.append(math)
    formula.insert_after(fallback)


def keep_together(formula: Tag, soup: BeautifulSoup) -> None:
    """Keep a mark after a formula, and its fallback, in the line of the formula."""
    fallback = formula.find_next_sibling()
    after = fallback.next_sibling
    match = re.match(r"[.,;:!?)’”]+", after) if isinstance(after, str) else None
    if match is None:
        return
    after.replace_with(after[match.end() :])
    together = soup.new_tag("span", attrs={"class": "together"})
    formula.replace_with(together)
    together.append(formula)
    together.append(fallback)
    together.append(match[0])


def setup(app) -> dict:
    app.connect(
        "html-page-context", reading, priority=960
    )  # what other extensions add is parsed before figures are set in
    return {"parallel_read_safe": True, "parallel_write_safe": True}
