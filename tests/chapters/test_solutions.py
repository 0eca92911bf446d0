"""The exercises of each chapter and the notebook with their solutions: one answer a question."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"][0]["chapters"]
# Each chapter that is a notebook, with the pages below it. The explorer has no exercises.
CHAPTERS = {
    Path(entry["file"]).name: [page["file"] for page in entry.get("sections", ())]
    for entry in CONTENTS
    if (ROOT / f"{entry['file']}.ipynb").exists()
}
LEAST = 6
FOLDED = re.compile(r"<details>\n<summary>Answer</summary>\n\n(.+?)\n\n</details>$", re.S)


def cells(page: str) -> list:
    return nbformat.read(ROOT / f"{page}.ipynb", as_version=4).cells


def one_line(text: str) -> str:
    return " ".join(text.split())


def questions(chapter: str) -> list[str]:
    """The exercises of a chapter in order, each in one line."""
    texts = [c.source for c in cells(f"chapters/{chapter}") if c.cell_type == "markdown"]
    (section,) = re.findall(r"^## Exercises\n(.*?)(?=^## |\Z)", "\n\n".join(texts), re.M | re.S)
    parts = re.split(r"^(\d+)\. ", section.partition("\n\n[Solutions]")[0], flags=re.M)
    assert [int(number) for number in parts[1::2]] == list(range(1, len(parts[1::2]) + 1))
    return [one_line(text) for text in parts[2::2]]


def answers(chapter: str) -> dict[int, list]:
    """The cells of each exercise's solution, by its number."""
    found: dict[int, list] = {}
    for cell in cells(f"chapters/solutions/{chapter}"):
        if heading := re.match(r"## Exercise (\d+)\n", cell.source):
            found[int(heading[1])] = []
        if found:
            found[max(found)].append(cell)
    return found


@pytest.fixture(params=CHAPTERS)
def chapter(request) -> str:
    return request.param


def test_every_chapter_of_the_contents_is_looked_at():
    assert len(CHAPTERS) >= 9


def test_solutions_are_a_page_below_their_chapter(chapter):
    assert CHAPTERS[chapter] == [f"chapters/solutions/{chapter}"]


def test_a_chapter_opens_with_what_the_reader_will_be_able_to_do(chapter):
    opening = cells(f"chapters/{chapter}")[0].source
    assert re.search(r"^After this chapter you can\n\n- (.+\n)+?- ", opening, re.M)


def test_a_chapter_closes_with_exercises_and_a_link_to_their_solutions(chapter):
    assert len(questions(chapter)) >= LEAST
    last = [c for c in cells(f"chapters/{chapter}") if c.cell_type == "markdown"][-2].source
    assert re.search(rf"\n\n\[Solutions\]\(solutions/{chapter}\.ipynb\)[^\n]*\Z", last)


def test_a_chapter_holds_no_solution(chapter):
    *_, exercises, references = cells(f"chapters/{chapter}")
    assert "## Exercises" in exercises.source
    assert references.source.startswith("## References")


def test_every_question_is_repeated_word_for_word(chapter):
    repeated = []
    for heading, *_ in answers(chapter).values():
        quote = re.findall(r"^> ?(.*)$", heading.source, re.M)
        repeated.append(one_line(" ".join(quote)))
    assert repeated == questions(chapter)
    assert list(answers(chapter)) == list(range(1, len(repeated) + 1))


def test_every_answer_is_folded_and_its_code_checks_it(chapter):
    for number, (heading, *code) in answers(chapter).items():
        rest = re.sub(r"\A## Exercise \d+\n\n(> .*\n)+\n", "", heading.source)
        assert FOLDED.match(rest), f"exercise {number}: what follows the question is not folded"
        assert code and all(cell.cell_type == "code" for cell in code), f"exercise {number}"
        assert all("hide-cell" in cell.metadata.get("tags", ()) for cell in code)
        assert any(re.search(r"^\s*assert ", cell.source, re.M) for cell in code), number


def test_a_solution_page_leads_back(chapter):
    first = cells(f"chapters/solutions/{chapter}")[0].source
    assert f"](../{chapter}.ipynb#exercises)" in first
