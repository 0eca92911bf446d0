"""The exports for Colab: what each holds, and that one runs where only Colab's packages are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import colab
import nbformat
import play_colab
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import cnnbook

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/someone/book"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OPENED = "https://colab.research.google.com/github/someone/book/blob/colab/chapters"


def folder(path: Path, url: str = "", origin: str = "") -> Path:
    (path / "_config.yml").write_text(f'repository:\n  url: "{url}"\n')
    if origin:
        subprocess.run(["git", "-C", path, "init", "--quiet"], check=True)
        subprocess.run(["git", "-C", path, "remote", "add", "origin", origin], check=True)
    return path


@pytest.mark.parametrize(
    "address",
    [REPOSITORY, f"{REPOSITORY}/", f"{REPOSITORY}.git", "git@github.com:someone/book.git"],
)
def test_the_repository_is_git_s_origin(tmp_path, address):
    assert colab.repository(folder(tmp_path, origin=address)) == REPOSITORY


def test_the_configuration_is_asked_before_git(tmp_path):
    book = folder(tmp_path, url=REPOSITORY, origin="https://github.com/someone/fork")
    assert colab.repository(book) == REPOSITORY


@pytest.mark.parametrize("origin", ["", "/srv/book", "https://gitlab.com/someone/book"])
def test_without_a_repository_on_github_there_is_one_line_and_no_file(tmp_path, capsys, origin):
    assert colab.main([], folder(tmp_path, origin=origin)) == 2
    assert re.fullmatch(r"colab: no GitHub repository is known: .*\n", capsys.readouterr().err)
    assert not (tmp_path / "_build").exists()


def exported(*cells) -> nbformat.NotebookNode:
    pages = {"chapters/one.ipynb", "chapters/two.ipynb"}
    return colab.export(new_notebook(cells=cells), "chapters/one.ipynb", REPOSITORY, pages, COMMIT)


def test_links_between_a_chapter_and_its_solutions_are_absolute():
    pages = {"chapters/one.ipynb", "chapters/solutions/one.ipynb"}
    for page, link, target in [
        ("chapters/solutions/one.ipynb", "../one.ipynb#exercises", "one.ipynb"),
        ("chapters/one.ipynb", "solutions/one.ipynb", "solutions/one.ipynb"),
    ]:
        plain = colab.plain(f"[a]({link})", PurePosixPath(page), REPOSITORY, pages, COMMIT)
        assert plain == f"[a]({OPENED}/{target})"


def test_the_first_cell_installs_the_package_and_a_gpu_is_asked_for():
    notebook = exported(new_markdown_cell("# One"))
    install = f'!pip install --quiet "cnnbook[chapters] @ git+{REPOSITORY}@{COMMIT}"'
    assert notebook.cells[0].source == "# One"
    assert install in notebook.cells[1].source.splitlines()
    assert "half a minute" in notebook.cells[1].source and "without" in notebook.cells[1].source
    assert notebook.metadata.accelerator == "GPU"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("[a](two.ipynb)", f"[a]({OPENED}/two.ipynb)"),
        ("[a](two.ipynb#part)", f"[a]({OPENED}/two.ipynb)"),
        ("[a](../intro.md#part)", f"[a]({REPOSITORY}/blob/{COMMIT}/intro.md#part)"),
        ("![a](../docs/a.png)", f"![a]({REPOSITORY}/raw/{COMMIT}/docs/a.png)"),
        ("[a](https://arxiv.org/abs/1)", "[a](https://arxiv.org/abs/1)"),
        ("[a](#part)", "[a](#part)"),
        ("`[a](two.ipynb)`", "`[a](two.ipynb)`"),
        (":::{note}\nOne.\n\nTwo.\n:::", "> **Note**\n>\n> One.\n>\n> Two."),
        (":::{tip} Try\nOne.\n:::", "> **Try**\n>\n> One."),
    ],
)
def test_text_is_plain_markdown_with_absolute_links(text, plain):
    assert exported(new_markdown_cell(text)).cells[0].source == plain


def test_a_caption_follows_its_figure():
    metadata = {"mystnb": {"figure": {"caption": "A net.", "name": "fig-net"}}, "tags": ["x"]}
    _, figure, caption = exported(new_code_cell("1", metadata=metadata)).cells
    assert (figure.metadata, caption.cell_type, caption.source) == (
        {},
        "markdown",
        "*Figure: A net.*",
    )


def test_a_hidden_cell_is_folded_and_shows_no_output():
    output = nbformat.v4.new_output("stream", text="42")
    cell = new_code_cell("answer = 42", metadata={"tags": ["hide-cell"]}, outputs=[output])
    folded = exported(cell).cells[1]
    assert folded.metadata == {"cellView": "form"}
    assert folded.outputs == []
    assert re.fullmatch(r"# @title .+\nanswer = 42", folded.source)
    assert cell.outputs == [output]


def test_every_chapter_is_exported_without_what_only_the_book_reads(tmp_path):
    paths = colab.export_all(REPOSITORY, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == colab.notebooks()
    assert len(paths) >= 9
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        assert re.findall(r"\]\((?!https?:|#)[^)]*\)|^:::.*", text, re.M) == [], path.name
        assert {key for cell in notebook.cells for key in cell.metadata} <= {"cellView"}


def test_the_environment_holds_no_more_than_colab_s_packages(tmp_path):
    python = play_colab.environment(tmp_path, [])
    names = [*play_colab.PRESENT, "nbclient", "sphinx", "cnnbook"]
    program = f"from importlib.util import find_spec; print(*filter(find_spec, {names}))"
    done = subprocess.run(
        [python, "-c", program],
        cwd=tmp_path,
        env=play_colab.clean(),
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == list(play_colab.PRESENT), done.stderr


def test_an_export_runs_and_the_others_import_where_only_colab_s_packages_are():
    # In a process of its own: nbclient leaves sockets to the garbage collector.
    command = [sys.executable, ROOT / "scripts" / "play_colab.py", "measuring"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = [re.sub(r"\d+", "N", line) for line in done.stdout.splitlines()]
    pages = [page.removeprefix("chapters/").removesuffix(".ipynb") for page in colab.notebooks()]
    others = [page for page in pages if page != "measuring"]
    assert lines == ["measuring: ran in N s", f"import all they need: {', '.join(others)}"]


def test_an_unknown_chapter_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        play_colab.main(["lenet"])
    assert stop.value.code == 2
    refused = "no chapter lenet; there are measuring, solutions/measuring, learning,"
    assert refused in capsys.readouterr().err


def test_the_workflow_and_the_citation_are_sound():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())
    assert set(workflow["jobs"]) == {"build", "package", "pages", "colab", "links"}
    assert workflow["jobs"]["links"]["continue-on-error"] is True
    rules = re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(), re.M)
    targets = " ".join(rules).split()
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    called = re.findall(r"make ([\w-]+)", "\n".join(steps))
    assert called and set(called) <= set(targets)
    scripts = re.findall(r"python (\S+\.py)", "\n".join(steps))
    assert scripts and all((ROOT / script).is_file() for script in scripts)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == cnnbook.__version__
