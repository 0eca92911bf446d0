"""Numbers in prose: each is in an output of its page, cited, or listed with its reason.

What is prose: Markdown cells, `.md` pages, and the captions and alt texts of figures. Left out
are code, HTML tags, addresses of links, headings, and the sections *Exercises* (numbers there are
given, and the solutions are executed) and *References*, and the questions, which the pages of
solutions quote from there.

What is no number to check:
- an integer up to 12: it would be found in nearly any output. So 3×3 and "stage 5" are free;
- part of a name: VGG-16, conv3, 32×4d, CIFAR-10; the number of a section, table or figure;
- a year, 1980 to 2029, written without a comma; an integer in a formula.

What is found: a number with d decimals or with a unit (%, thousand, million, billion) equals some
output rounded as it is written, so 61.1 million is 61,100,840 and 94 % is 0.9410 or 94.1. An
integer without a unit must be there exactly.

What is cited: a number whose sentence, or the one before or after it in the paragraph, has a link
to another site or names a section, table, figure or appendix.

What is published: of cited numbers, those of an error or an accuracy (a number with a unit or with
decimals, in a sentence that says so) are in `cnnbook.records.published`, or in an output.

What is listed: `numbers.toml`, an entry for each phrase with the reason why no output has its
number. Where it is a setting or cited data of a cell, `code` quotes it, and has to be in the
page's code.
"""

from __future__ import annotations

import html
import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from cnnbook.records import published

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("intro.*"), *(ROOT / "chapters").rglob("*.md"), *ROOT.glob("chapters/**/*.ipynb")]
)
LISTED = tomllib.loads((Path(__file__).parent / "numbers.toml").read_text("utf-8"))["number"]

LARGEST_FREE = 12
DIGITS = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
UNIT = rf"(?:\s*(%|per ?cent\b|{'|'.join(SCALES)}))?"
NUMBER = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)(?<!\d,)"  # not in a word, VGG-16 or a longer number
    + DIGITS
    + r"(?!\w)(?!×\d+d)"  # nor in conv3a or 32×4d
    + UNIT
)
IN_OUTPUT = re.compile(r"(?<![\d.])" + DIGITS + UNIT)
SKIPPED = re.compile(r"^## (Exercises|References)\n.*?(?=^## |\Z)", re.M | re.S)
QUESTION = re.compile(r"^## Exercise \d+\n\n(> .*\n)+", re.M)
CODE = re.compile(r"^```.*?^```|`[^`]+`", re.M | re.S)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+(?:\n[^$\n]+)*\$", re.S)
PLACE = r"\b(?:[Ss]ections?|[Tt]ables?|[Ff]igures?|[Aa]ppendi(?:x|ces))\s+"
REFERENCE = re.compile(PLACE + r"[\dA-Z][\d.]*(?:\([a-z]\))?(?:(?:,| and| or)\s+\d[\d.]*)*")
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")
ERROR = re.compile(r"\berrors?\b|\baccura|\btop.[15]\b", re.I)
CITED = "\N{SECTION SIGN}"  # stands in the text where a citation was


def prose(text: str) -> str:
    """The words of a Markdown text, CITED standing for what cites; without code and formulas."""
    text = CODE.sub(" ", QUESTION.sub("", SKIPPED.sub("", text)))
    text = LINK.sub(lambda m: m[1] + (CITED if m[2].startswith("http") else ""), text)
    text = REFERENCE.sub(CITED, text)
    text = FORMULA.sub(lambda m: " ".join(re.findall(r"\d+\.\d+", m[0])), text)
    return re.sub(r"<[^>]+>|^#.*$", " ", text, flags=re.M)


def paragraphs(text: str) -> list[str]:
    """Each paragraph or list item in one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n|\n(?=\s*- )", prose(text))]


def numbers(text: str) -> list[tuple[str, str]]:
    """The numbers to check of a Markdown text, each with the words around it."""
    found = []
    for paragraph in paragraphs(text):
        sentences = re.split(r"(?<=[.!?])\s+(?=\W*[A-Z])", paragraph)
        for i, sentence in enumerate(sentences):
            is_cited = CITED in "".join(sentences[max(i - 1, 0) : i + 2])
            for match in NUMBER.finditer(sentence):
                words = sentence[max(match.start() - 40, 0) : match.end() + 40]
                if is_cited:
                    free = not (ERROR.search(sentence) and (match[2] or "." in match[1]))
                    free = free or is_published(match)
                else:
                    free = is_free(match)
                found += [] if free else [(match[0], words)]
    return found


def is_published(match: re.Match) -> bool:
    decimals = len(match[1].partition(".")[2])
    half = 0.5 * 10**-decimals * (decimals > 0) + 1e-9  # a whole number has to be there as it is
    value = float(match[1].replace(",", ""))
    return any(abs(figure.value - value) <= half for figure in published.figures())


def is_free(match: re.Match) -> bool:
    if match[2] or not match[1].isdigit():
        return False
    return int(match[1]) <= LARGEST_FREE or 1980 <= int(match[1]) < 2030


def values(output: str) -> set[float]:
    """The numbers of an output; one with "million" behind it is there as printed and in full."""
    found = set()
    for digits, unit in IN_OUTPUT.findall(output):
        value = float(digits.replace(",", ""))
        found |= {value, value * SCALES.get(unit, 1)}
    return found


def is_computed(number: str, computed: set[float]) -> bool:
    digits, unit = NUMBER.match(number).groups()
    value, decimals = float(digits.replace(",", "")), len(digits.partition(".")[2])
    if not unit and not decimals:
        return value in computed
    scale = SCALES.get(unit, 0.01 if unit else 1)
    half = 0.5 * 10**-decimals + 1e-9
    return any(abs(one - value) <= half or abs(one / scale - value) <= half for one in computed)


def read(page: Path) -> tuple[str, set[float]]:
    """The Markdown of a page, and the numbers that its cells put out."""
    if page.suffix == ".md":
        return page.read_text("utf-8"), set()
    texts, outputs = [], []
    for cell in nbformat.read(page, as_version=4).cells:
        if cell.cell_type == "markdown":
            texts.append(cell.source)
            continue
        if "question" in cell.metadata.get("tags", []):
            continue  # what it asks is no ground for what the text says
        shown = cell.metadata.get("mystnb", {})
        texts += [shown["figure"]["caption"]] if "figure" in shown else []
        texts += [shown["image"]["alt"]] if "image" in shown else []
        for output in cell.outputs:
            data = output.get("data", {})
            outputs += [output.get("text", ""), data.get("text/plain", "")]
            outputs.append(html.unescape(without_tags(data.get("text/html", ""))))
    return "\n\n".join(texts), set().union(*map(values, outputs))


def without_tags(text: str) -> str:
    return re.sub(r"<style.*?</style>|<[^>]+>", " ", text, flags=re.S)


def unfounded(page: Path, listed: list[dict]) -> list[tuple[str, str]]:
    text, computed = read(page)
    found = [(n, words) for n, words in numbers(text) if not is_computed(n, computed)]
    return [(n, w) for n, w in found if not any(n in e["text"] and e["text"] in w for e in listed)]


def name(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_number_has_its_ground(page):
    listed = [entry for entry in LISTED if entry["page"] == name(page)]
    missing = [f"{number!r} in “…{words}…”" for number, words in unfounded(page, listed)]
    assert missing == [], "compute it in a cell of the page, cite it, or list it in numbers.toml"
    for entry in listed:
        others = [one for one in listed if one is not entry]
        assert entry["reason"] and unfounded(page, others), f"no longer needed: {entry}"


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry["text"])
def test_what_is_listed_is_on_its_page(entry):
    page = {name(page): page for page in PAGES}[entry["page"]]
    if "code" in entry:
        cells = nbformat.read(page, as_version=4).cells
        assert any(c.cell_type == "code" and entry["code"] in c.source for c in cells)


@pytest.mark.parametrize(
    "text, found",
    [
        ("It has 62.4 million weights and 96.0 %.", ["62.4 million", "96.0 %"]),
        ("Outputs of 56×56 and 64 × 13 pixels.", ["56", "56", "64", "13"]),
        ("VGG-16, ResNet-50, conv13, 32×40d and a 3×3 kernel, stage 5.", []),
        ("The paper of 1998, and 2,012 images of 224-pixel sides.", ["2,012", "224"]),
        ("# A title (2012) of 99\n\nWords.\n\n- one of 40\n- two of\n  41.", ["40", "41"]),
        ("`x = 64` and $64 \\times 64$, but $\\approx 0.83$.", ["0.83"]),
        ("See [the chapter](other.ipynb): 77.", ["77"]),
        ("The [paper](https://arxiv.org/abs/1) has 77. So has ours. But here are 78.", ["78"]),
        ("It has 77 (table 2).\n\nWe have 78.", ["78"]),
        ("Its error is 28.54 % (table 2), not 28.55 %.", ["28.55 %"]),
        ("Its error fell by 3 % of 100 images (table 2).", ["3 %"]),
        ("## Exercises\n\nTake 99.\n\n## Next\n\nTake 98.", ["98"]),
        ("## Exercises\n\nTake 99.", []),
        ("## Exercise 7\n\n> Take 99\n> or 98.\n\nIt is 97.\n\n> A quote of 96.", ["97", "96"]),
    ],
)
def test_numbers_are_found(text, found):
    assert [number for number, _ in numbers(text)] == found


@pytest.mark.parametrize(
    "number, output, is_there",
    [
        ("61.1 million", "61,100,840 params", True),
        ("61.2 million", "61,100,840 params", False),
        ("61.1 million", "params (million) 61.1", True),
        ("94 %", "accuracy 0.9410", True),
        ("94 %", "94.1%", True),
        ("94 %", "0.9455", False),
        ("8.7", "60,965,224 / 6,998,552 = 8.71", True),
        ("8.7", "8.76", False),
        ("224", "64×224×224", True),
        ("63", "63.2 s", False),
        ("478 million", "0.478 billion", True),
    ],
)
def test_numbers_are_compared_as_they_are_written(number, output, is_there):
    assert is_computed(number, values(output)) is is_there


def test_a_wrong_number_in_a_chapter_is_found(tmp_path):
    chapter = nbformat.read(ROOT / "chapters" / "alexnet.ipynb", as_version=4)
    chapter.cells.insert(1, nbformat.v4.new_markdown_cell("AlexNet has 61.3 million parameters."))
    nbformat.write(chapter, tmp_path / "planted.ipynb")
    assert "61.3 million" in [number for number, _ in unfounded(tmp_path / "planted.ipynb", [])]
