"""nbgrader's own commands over the notebooks to assign: released, handed in, graded.

`make test-all` sets nbgrader up, in an environment of its own.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import course
import nbformat
import pytest

pytestmark = pytest.mark.rare

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv-nbgrader"
CHAPTERS = course.chapters()


@pytest.fixture(scope="module")
def nbgrader(tmp_path_factory):
    """Runs a command of nbgrader in a folder; notebooks run in the book's own Python."""
    assert (TOOLS / "bin" / "nbgrader").exists(), f"no nbgrader: run `make {TOOLS.name}/.ready`"
    kernel = tmp_path_factory.mktemp("jupyter") / "kernels" / "python3"
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    environment = os.environ | {
        "JUPYTER_PATH": str(kernel.parents[1]),
        "PATH": f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["nbgrader", *arguments], cwd=folder, env=environment, capture_output=True,
            encoding="utf-8", check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def assigned(nbgrader, tmp_path_factory) -> Path:
    """The teacher's folder as `make teacher` writes it, with a release of every chapter."""
    root = tmp_path_factory.mktemp("book")
    for name in ("chapters", "_toc.yml"):
        (root / name).symlink_to(ROOT / name)
    assert course.main(["teacher"], root) == course.main(["student"], root) == 0
    folder = root / "_build" / "teacher"
    done = nbgrader(folder, "generate_assignment", "--assignment=*", "--create")
    assert done.returncode == 0, done.stderr
    return folder


def points(chapter: str, *, by: str) -> int:
    """Of a chapter's exercises, those that are graded "alone", or by "all" ways."""
    cells = [c.metadata.nbgrader for c in course.assignment(chapter).cells if c.metadata]
    return sum(c.points for c in cells if c.grade and (by == "all" or not c.solution))


def test_a_release_is_the_student_s_notebook(assigned):
    found = sorted(path.parent.name for path in (assigned / "release").glob("*/*.ipynb"))
    assert found == sorted(CHAPTERS)
    for chapter in CHAPTERS:
        release = nbformat.read(assigned / "release" / chapter / f"{chapter}.ipynb", 4)
        student = nbformat.read(assigned.parent / "student" / f"{chapter}.ipynb", 4)
        assert [c.source for c in release.cells] == [c.source for c in student.cells], chapter
        locked = [c for c in release.cells if not c.metadata.get("editable", True)]
        assert not any(c.metadata.nbgrader.solution for c in locked)


def test_what_is_handed_in_gets_the_points_that_it_earns(nbgrader, assigned):
    """One student hands in all answers, others what was handed out, and a wrong answer."""
    for student, place, chapters in (
        ("right", "source", CHAPTERS),
        ("blank", "release", ["vgg"]),
        ("wrong", "source", ["vgg"]),
    ):
        for chapter in chapters:
            target = assigned / "submitted" / student / chapter
            shutil.copytree(assigned / place / chapter, target)
    path = assigned / "submitted" / "wrong" / "vgg" / "vgg.ipynb"
    notebook = nbformat.read(path, 4)
    first = next(c for c in notebook.cells if c.source.startswith("# In this order"))
    first.source = "answer = [-1.5] * 9"
    nbformat.write(notebook, path)
    done = nbgrader(assigned, "autograde", "--assignment=*")
    assert done.returncode == 0, done.stderr
    assert nbgrader(assigned, "export", "--to=grades.csv").returncode == 0
    with open(assigned / "grades.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = {(row["assignment"], row["student_id"]): float(row["score"]) for row in rows}
    most = {row["assignment"]: float(row["max_score"]) for row in rows}
    assert most == {chapter: points(chapter, by="all") for chapter in CHAPTERS}
    for chapter in CHAPTERS:
        assert scores[chapter, "right"] == points(chapter, by="alone") > 0, chapter
    assert scores["vgg", "blank"] == 0 < scores["vgg", "wrong"] < scores["vgg", "right"]


def two_of_one_name(notebook: nbformat.NotebookNode) -> None:
    first, second = [c for c in notebook.cells if "nbgrader" in c.metadata][:2]
    second.metadata.nbgrader.grade_id = first.metadata.nbgrader.grade_id


def no_marks(notebook: nbformat.NotebookNode) -> None:
    for cell in notebook.cells:
        cell.source = cell.source.replace(course.END, "")


def an_older_schema(notebook: nbformat.NotebookNode) -> None:
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.schema_version = 1


@pytest.mark.parametrize(
    "harm, said",
    [
        (two_of_one_name, "the nbgrader metadata may be corrupted"),
        (no_marks, "no end solution statement found"),
        (an_older_schema, "an old version"),
    ],
)
def test_nbgrader_refuses_a_notebook_that_is_broken(nbgrader, tmp_path, harm, said):
    broken = course.assignment("alexnet")
    harm(broken)
    folder = tmp_path / "source" / "alexnet"
    folder.mkdir(parents=True)
    nbformat.write(broken, folder / "alexnet.ipynb")
    done = nbgrader(tmp_path, "generate_assignment", "alexnet", "--create")
    assert done.returncode != 0 and said in done.stderr
    assert not (tmp_path / "release" / "alexnet").exists()
