"""Exercises that check themselves, and the notebooks in which they are assigned."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from cnnbook import teaching
from cnnbook.teaching import exercises

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import course  # noqa: E402

CHAPTERS = course.chapters()


@pytest.mark.parametrize("id", teaching.checked())
def test_the_right_answer_is_right_and_a_wrong_one_gets_a_hint(id):
    parts = exercises._find(id)
    right = [part.answer for part in parts]
    assert repr(teaching.check(id, *right)) == "Right."
    assert teaching.check(id, tuple(map(repr, right))).state == "right"
    for i, part in enumerate(parts):
        for wrong in (part.answer * 7 + 13, *part.slips):
            found = teaching.check(id, *right[:i], wrong, *right[i + 1 :])
            assert found.state in ("wrong", "slip"), (id, part.prompt, wrong)
            assert len(parts) == 1 or found.reply.startswith(f"Part {i + 1}, {part.prompt}: ")
        hints = " ".join([*part.slips.values()])
        assert not re.search(rf"(?<![\d,.]){part.answer:,.0f}(?![\d,.])", hints), "it tells"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_check_is_of_an_exercise_that_there_is(chapter):
    _, texts = course.exercises(chapter)
    numbers = [int(id.split("/")[1]) for id in teaching.checked() if id.startswith(f"{chapter}/")]
    assert numbers, "no exercise of this chapter checks itself"
    assert max(numbers) <= len(texts)


def test_answers_of_the_pages_of_solutions():
    assert teaching.check("alexnet/3", 256 * 48 * 25, 2 * 256 * 48 * 25).state == "right"
    assert teaching.check("alexnet/2", "546.75 KB", "307,392", "223,9 M").state == "right"
    assert teaching.check("vgg/1", 102_764_544, "74 %").state == "right"
    assert teaching.check("vgg/2", 196).state == "right"
    assert teaching.check("resnet/1", 152).state == "right"
    assert teaching.check("resnext/1", 115_200).state == "right"
    assert "Windows overlap" in teaching.check("measuring/4", 4).reply
    assert teaching.check("learning/4", "").state == "empty"


def test_wrong_calls_are_told_in_a_line():
    with pytest.raises(
        ValueError, match="no check of exercise 'alexnet/33'; did you mean alexnet/3"
    ):
        teaching.check("alexnet/33", 1)
    with pytest.raises(ValueError, match=r"has 2 parts \(weights with two groups \(weights\); wei"):
        teaching.check("alexnet/3", 1)
    assert teaching.parts("vgg/2") == ("side (pixels)",)


@pytest.fixture(params=CHAPTERS)
def teacher(request) -> nbformat.NotebookNode:
    return course.assignment(request.param)


def graded(notebook) -> list[dict]:
    return [c.metadata.nbgrader for c in notebook.cells if "nbgrader" in c.metadata]


def test_cells_are_as_nbgrader_reads_them(teacher):
    """Schema 3 of its metadata, and what its own validators ask of a cell."""
    nbformat.validate(teacher)
    cells = [c for c in teacher.cells if "nbgrader" in c.metadata]
    ids = [c.metadata.nbgrader.grade_id for c in cells]
    assert len(ids) == len(set(ids)) and all(re.fullmatch(r"[\w-]+", id) for id in ids)
    for cell in cells:
        kept = cell.metadata.nbgrader
        wanted = {"schema_version", "grade_id", "grade", "solution", "locked", "task", "cell_type"}
        assert set(kept) == wanted | ({"points"} if kept.grade else set())
        assert kept.schema_version == 3 and kept.cell_type == cell.cell_type and not kept.task
        assert kept.grade or kept.solution
        assert kept.locked is (kept.grade and not kept.solution)
        assert cell.cell_type == "code" or (kept.grade and kept.solution)
        marks = [cell.source.count(mark) for mark in (course.BEGIN, course.END)]
        assert marks == [int(kept.solution)] * 2
        assert not kept.grade or kept.points > 0
    assert any(kept.grade and not kept.solution for kept in graded(teacher))


def test_the_students_have_no_answers_and_the_same_cells(teacher):
    student = course.without_answers(teacher)
    assert graded(student) == graded(teacher)
    text = "\n".join(cell.source for cell in student.cells)
    assert "SOLUTION" not in text and "answer = (" not in text
    stubs = text.count(course.CODE_STUB) + text.count(course.TEXT_STUB)
    assert stubs == sum(kept.solution for kept in graded(student))
    whole = "\n".join(cell.source for cell in teacher.cells)
    for cell in teacher.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## Exercise"):
            assert cell.source in text and cell.source in whole


def test_the_teachers_cells_run_and_the_students_do_not_pass(teacher):
    space: dict = {"teaching": teaching}
    student = course.without_answers(teacher).cells
    for mine, theirs in zip(teacher.cells, student, strict=True):
        if mine.cell_type != "code" or "nbgrader" not in mine.metadata:
            continue
        if mine.metadata.nbgrader.solution:
            exec(mine.source, space)
            with pytest.raises(NotImplementedError):
                exec(theirs.source, {})
        else:
            exec(mine.source, space)
            with pytest.raises(AssertionError):
                exec(mine.source, {**space, "answer": [-1234.5] * len(space["answer"])})


def test_the_script_says_how_it_is_called(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "course.py"), "both"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "course: say which: student or teacher\n")
