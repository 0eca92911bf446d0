"""Notebooks to assign: the exercises of each chapter, without answers or with them.

    python scripts/course.py student        into _build/student/CHAPTER.ipynb
    python scripts/course.py teacher        into _build/teacher/source/CHAPTER/CHAPTER.ipynb

Both come from the exercises in the chapters and the pages of solutions; there is no second copy
of either. The teacher's are laid out as nbgrader's `source`: there, in `_build/teacher`,
`nbgrader generate_assignment CHAPTER --create` makes a release of one, with the settings in
`nbgrader_config.py` there, which is written only where there is none. An exercise that
`cnnbook.teaching.check` knows is graded by it, every other one by hand.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
REGION = re.compile(rf"^{BEGIN}\n.*?^{END}$", re.S | re.M)
EXERCISES = re.compile(r"^## Exercises\n(.*?)(?=^## |\Z)", re.M | re.S)
ANSWER = re.compile(r"<details>\n<summary>Answer</summary>\n\n(.+?)\n\n</details>", re.S)
POINTS = 2  # of an exercise that is graded by hand
CONFIG = """c = get_config()
c.ExecutePreprocessor.timeout = 600  # seconds a cell; the first one loads PyTorch
"""
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def chapters(root: Path = ROOT) -> list[str]:
    """The chapters that have a page of solutions, by name, in the order of the contents."""
    from sphinx_external_toc.parsing import parse_toc_yaml

    pages = [page.removesuffix(".ipynb") for page in parse_toc_yaml(root / "_toc.yml")]
    prefix = "chapters/solutions/"
    return [page.removeprefix(prefix) for page in pages if page.startswith(prefix)]


def exercises(chapter: str, root: Path = ROOT) -> tuple[str, list[str]]:
    """A chapter's title, and the text of each of its exercises, in order."""
    cells = nbformat.read(root / "chapters" / f"{chapter}.ipynb", as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    (section,) = EXERCISES.findall(text)
    parts = re.split(r"^\d+\. ", section.partition("\n\n[Solutions]")[0], flags=re.M)
    title = re.search(r"^# (.+)$", text, re.M)[1]
    return title, [re.sub(r"\n +", "\n", part).strip() for part in parts[1:]]


def solutions(chapter: str, root: Path = ROOT) -> tuple[str, list[tuple[str, str]]]:
    """The imports of a page of solutions, and of each exercise the answer and its code."""
    cells = nbformat.read(root / "chapters" / "solutions" / f"{chapter}.ipynb", as_version=4).cells
    setup, found = "", []
    for cell in cells:
        if cell.cell_type == "markdown":
            if answer := ANSWER.search(cell.source):
                found.append((answer[1], ""))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n\n{cell.source}".strip())
        else:
            setup = f"{setup}\n\n{cell.source}".strip()
    return setup, found


def grading(id: str, kind: str, *, grade: bool, solution: bool, points: int = 0) -> dict:
    """What nbgrader keeps of a cell, by its schema 3."""
    kept = {
        "schema_version": 3, "grade_id": id, "grade": grade, "solution": solution,
        "locked": grade and not solution, "task": False, "cell_type": kind,
    }  # fmt: skip
    return {"nbgrader": kept | ({"points": points} if grade else {})}


def assignment(chapter: str, root: Path = ROOT) -> nbformat.NotebookNode:
    """The teacher's notebook of a chapter: its exercises with answers between nbgrader's marks."""
    from cnnbook import teaching
    from cnnbook.teaching import exercises as known

    title, texts = exercises(chapter, root)
    setup, answers = solutions(chapter, root)
    if len(answers) != len(texts):
        raise ValueError(f"{chapter} has {len(texts)} exercises and {len(answers)} solutions")
    cells = [
        new_markdown_cell(
            f"# Exercises: {title}\n\nThey are those of the chapter *{title}*. Some are checked as "
            "soon as you run the cell below your answer, which says right or gives a hint. The "
            "others are read.",
            id=f"{chapter}-title",
        ),
        new_code_cell(f"{setup}\n\nfrom cnnbook import teaching".strip(), id=f"{chapter}-setup"),
    ]
    for number, (text, (answer, code)) in enumerate(zip(texts, answers, strict=True), 1):
        id = f"{chapter}-{number}"
        cells.append(new_markdown_cell(f"## Exercise {number}\n\n{text}", id=id))
        exercise = f"{chapter}/{number}"
        if exercise not in teaching.checked():
            shown = f"{answer}\n\n```python\n{code}\n```" if code else answer
            kept = grading(f"{id}-answer", "markdown", grade=True, solution=True, points=POINTS)
            source = f"{BEGIN}\n{shown}\n{END}"
            cells.append(new_markdown_cell(source, id=f"{id}-answer", metadata=kept))
            continue
        parts = teaching.parts(exercise)
        right = ", ".join(f"{part.answer!r}" for part in known._find(exercise))
        why = "\n".join(f"# {line}".rstrip() for line in answer.splitlines())
        source = f"# In this order: {'; '.join(parts)}\n{BEGIN}\n{why}\nanswer = ({right},)\n{END}"
        kept = grading(f"{id}-answer", "code", grade=False, solution=True)
        cells.append(new_code_cell(source, id=f"{id}-answer", metadata=kept))
        test = f'found = teaching.check("{exercise}", *answer)\nprint(found)\n'
        kept = grading(f"{id}-check", "code", grade=True, solution=False, points=len(parts))
        test += 'assert found.state == "right", found'
        cells.append(new_code_cell(test, id=f"{id}-check", metadata=kept))
    made = new_notebook(cells=cells, metadata=KERNEL)
    nbformat.validate(made)
    return made


def without_answers(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """As nbgrader releases it: what stands between its marks is replaced by a stub."""
    made = nbformat.from_dict(notebook)
    for cell in made.cells:
        stub = CODE_STUB if cell.cell_type == "code" else TEXT_STUB
        cell.source = REGION.sub(stub, cell.source)
    return made


def main(arguments: list[str], root: Path = ROOT) -> int:
    if arguments not in (["student"], ["teacher"]):
        print("course: say which: student or teacher", file=sys.stderr)
        return 2
    (kind,) = arguments
    folder = root / "_build" / kind
    if kind == "teacher":
        folder /= "source"
    shutil.rmtree(folder, ignore_errors=True)  # chapters that left the contents
    for chapter in chapters(root):
        made = assignment(chapter, root)
        path = folder / f"{chapter}.ipynb"
        if kind == "teacher":
            path = folder / chapter / f"{chapter}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(made if kind == "teacher" else without_answers(made), path)
        print(path.relative_to(root))
    config = root / "_build" / "teacher" / "nbgrader_config.py"
    if kind == "teacher" and not config.exists():  # it may be the lecturer's own
        config.write_text(CONFIG, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
