"""Machines as students have them: set-up, encodings, processes that are spawned, other systems."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import identity
import pytest
import torch_from
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(
    path
    for folder in ("cnnbook", "scripts", "_ext", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
TEXT = {"read_text": 0, "write_text": 1}  # and where their encoding stands without its name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_is_opened_with_its_encoding(path):
    """Or Windows takes its code page for it."""
    missing = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or any(k.arg == "encoding" for k in node.keywords):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
        if name in TEXT and len(node.args) <= TEXT[name]:
            missing.append(node.lineno)
        elif name in ("open", "fdopen") and isinstance(node.func, ast.Name):
            binary = any("b" in str(mode) for mode in modes)
            missing += [] if binary else [node.lineno]
        elif name in ("run", "Popen", "check_output"):
            text = any(k.arg in ("text", "universal_newlines") for k in node.keywords)
            missing += [node.lineno] if text else []
    assert not missing


POSIX_ONLY = ("geteuid", "fork", "mkfifo", "sched_getaffinity", "posix_fallocate", "killpg")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_windows_lacks_is_asked_for_first(path):
    text = path.read_text(encoding="utf-8")
    for name in POSIX_ONLY:
        if f"os.{name}(" in text:
            assert f'(os, "{name}"' in text, f"os.{name} without hasattr or getattr"
    assert not re.search(r"^import (fcntl|resource|pwd|termios)$", text, re.MULTILINE)


# In tests: what Windows lacks, or does in another way. `os.kill` ends a process there, whatever the
# signal.
IN_TESTS = re.compile(
    r"os\.(mkfifo|fork|kill|killpg|execv)\b|preexec_fn|start_new_session|SIGKILL|/dev/|killed_runs"
)
TESTS = sorted(path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))


def unmarked(tree: ast.Module, lacking: re.Pattern) -> list[str]:
    """The tests that use it, by themselves or through what their module defines, without the mark
    `posix`."""
    parts = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.Assign):
            name = node.name if isinstance(node, ast.FunctionDef) else ast.unparse(node.targets[0])
            parts[name] = ast.unparse(node)
    parts = {name: text for name, text in parts.items() if "mark.posix(" not in text}
    found: set[str] = set()
    words = lacking.pattern
    while more := {name for name in parts if re.search(words, parts[name])} - found:
        found |= more
        words = "|".join([lacking.pattern, *(rf"\b{name}\b" for name in found)])
    return sorted(name for name in found if name.startswith("test_"))


def when_imported(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are evaluated when the module is imported."""
    yield node
    if isinstance(node, ast.FunctionDef):
        inside = [*node.decorator_list, *node.args.defaults]
    else:
        inside = [] if isinstance(node, ast.Lambda) else ast.iter_child_nodes(node)
    for child in inside:
        yield from when_imported(child)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tests_of_what_windows_lacks_say_so(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert unmarked(tree, IN_TESTS) == []
    names = {ast.unparse(n) for n in when_imported(tree) if isinstance(n, ast.Attribute)}
    assert not {name for name in names if IN_TESTS.search(name)}, "Windows could not import this"


def test_a_test_of_what_windows_lacks_is_found():
    code = "def stop(): os.kill(1, 9)\ndef test_a(): stop()\n@pytest.mark.posix('os.kill')\n"
    tree = ast.parse(code + "def test_b(): stop()\nMAKE = [os.mkfifo, lambda: os.fork()]\n")
    assert unmarked(tree, IN_TESTS) == ["test_a"]
    names = {ast.unparse(n) for n in when_imported(tree) if isinstance(n, ast.Attribute)}
    assert {name for name in names if IN_TESTS.search(name)} == {"os.mkfifo"}


@pytest.mark.parametrize(("platform", "skipped"), [("win32", True), ("linux", False)])
def test_the_mark_leaves_a_test_out_on_windows_alone(platform, skipped, monkeypatch, request):
    (conftest,) = (
        plugin
        for plugin in request.config.pluginmanager.get_plugins()
        if getattr(plugin, "__file__", None) == str(ROOT / "tests" / "conftest.py")
    )
    monkeypatch.setattr(sys, "platform", platform)
    marks = [pytest.mark.posix("os.fork").mark]
    item = SimpleNamespace(
        path=Path("test_a.py"), iter_markers=lambda name: marks[:1], add_marker=marks.append
    )
    conftest.pytest_collection_modifyitems([item])
    reasons = [mark.mark.kwargs["reason"] for mark in marks[1:]]
    assert reasons == (["Windows has no os.fork"] if skipped else [])


def test_lines_end_alike_on_every_system():
    """Or what is hashed, and what a shell reads, is another file on Windows."""
    assert (ROOT / ".gitattributes").read_text(encoding="utf-8") == "* text=auto eol=lf\n"


SPAWNED = """
import multiprocessing, sys
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    from cnnbook import data
    train, _ = data.load(sys.argv[1], stream=True, workers=1, image_size=8, progress=False)
    print([len(images) for images in train.read(train.labels.new_tensor([0, 1, 2]).split(2))])
"""


def test_decode_workers_may_be_spawned(tmp_path):
    """As on Windows and macOS, from a folder with spaces and letters of any language."""
    from PIL import Image

    place = tmp_path / "Bilder für heute 猫"
    for part in ("train", "test"):
        folder = place / part / "ä b"
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8)).save(folder / f"{i}.png")
    script = tmp_path / "a script.py"
    script.write_text(SPAWNED, encoding="utf-8")
    command = [sys.executable, str(script), f"imagefolder:{place}"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "[2, 1]"


def wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as packed:
        for file, content in files.items():
            packed.writestr(file, content)


def test_pytorch_from_a_folder(tmp_path):
    """With pip itself, into a folder beside, and no index asked."""
    (wheels := tmp_path / "my wheels").mkdir()
    for name, version in (("torch", "2.15.0+cpu"), ("torchvision", "0.29.2+cpu")):
        wheel(wheels, name, version)
    command = torch_from.command(str(wheels))
    assert "--no-index" in command and not any("://" in word for word in command)
    target = tmp_path / "installed"
    done = subprocess.run([*command, "--quiet", "--target", target], check=False)
    assert done.returncode == 0
    assert "2.15.0+cpu" in (target / "torch" / "__init__.py").read_text(encoding="utf-8")
    assert SpecifierSet("==2.15.0").contains("2.15.0+cpu")  # so the next step leaves it


def test_pytorch_from_an_index_and_from_nowhere(capsys):
    command = torch_from.command("https://index.invalid/cpu")
    assert command[-4:-2] == ["--index-url", "https://index.invalid/cpu"]
    assert [word.split("==")[0] for word in command[-2:]] == ["torch", "torchvision"]
    assert torch_from.main(["/no/such/folder"]) == 2
    assert "must be an index's address or a folder" in capsys.readouterr().err


def test_make_takes_pytorch_from_where_it_is_told():
    make = [
        "make",
        "--dry-run",
        "--always-make",
        ".venv/.ready",
        "TORCH_INDEX=a folder",
        "HASHES=1",
    ]
    done = subprocess.run(make, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    first, second = (done.stdout.index(part) for part in ("torch_from.py", "--require-hashes"))
    assert 'torch_from.py "a folder"' in done.stdout and first < second


def test_what_make_starts_keeps_its_bytecode():
    made = subprocess.run(
        ["make", "--silent", "-f", "Makefile", "-f", "-", "shown"],
        input="shown:; @env\n",
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert "PATH=" in made.stdout and "PYTHONDONTWRITEBYTECODE" not in made.stdout


def test_the_hashes_are_of_the_pins_and_name_no_index():
    text = (ROOT / "requirements-hashes.txt").read_text(encoding="utf-8")
    assert "://" not in text
    pattern = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    hashed = set(pattern.findall(text))
    assert {(n.lower(), v) for n, v in pattern.findall(pins)} <= hashed, "make hashes"
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in block for block in blocks if not block.startswith("#"))


def test_the_same_pythons_everywhere():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.11"' in project and "(3, 11) <=" in makefile
    assert "Python 3.11 to 3.14" in (ROOT / "README.md").read_text(encoding="utf-8")
    matrix = workflow()["jobs"]["package"]["strategy"]["matrix"]
    assert set(matrix["python"]) == {"3.11", "3.13", "3.14"}
    assert {each["os"] for each in matrix["include"]} == {"windows-latest", "macos-latest"}


def workflow(name: str = "book") -> dict:
    text = (ROOT / f".github/workflows/{name}.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def test_actions_are_pinned_and_jobs_may_do_what_they_need_alone():
    writes, pinned = {}, {}
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        uses = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
        assert uses and all(
            re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", use) for use in uses
        )
        for use in uses:  # the same action is of the same version everywhere
            action, _, version = use.partition("@")
            assert pinned.setdefault(action, version) == version
        found = workflow(path.stem)
        assert found["permissions"] == {}
        for name, job in found["jobs"].items():
            writes[name] = sorted(k for k, v in job["permissions"].items() if v == "write")
    assert writes.pop("pages") == ["id-token", "pages"] and writes.pop("colab") == ["contents"]
    assert not any(writes.values())
    assert "github-actions" in (ROOT / ".github/dependabot.yml").read_text(encoding="utf-8")


def test_every_week_all_tests_run():
    weekly = workflow("weekly")
    (when,) = weekly[True]["schedule"]  # YAML takes `on` for a truth value
    minute, hour, day, month, weekday = when["cron"].split()
    assert (day, month) == ("*", "*") and minute.isdigit() and hour.isdigit() and weekday.isdigit()
    assert [step["run"] for step in weekly["jobs"]["test-all"]["steps"] if "run" in step] == [
        "make test-all"
    ]


def test_the_citation_has_a_person_s_name_of_which_keys_are_made():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert all(author["family-names"] for author in citation["authors"])
    assert citation["version"] == identity.version_of(ROOT)


def test_the_project_is_named_once(tmp_path):
    (tmp_path / "cnnbook").mkdir()
    (tmp_path / "cnnbook" / "_version.py").write_text('__version__ = "1.2"\n', encoding="utf-8")
    for url, address in (("", ""), ("https://github.com/Ann/book", "https://ann.github.io/book/")):
        (tmp_path / "_config.yml").write_text(f'repository: {{url: "{url}"}}', encoding="utf-8")
        config = SimpleNamespace(html_title="A title", html_baseurl="")
        identity.name_project(SimpleNamespace(srcdir=tmp_path), config)
        assert (config.project, config.release, config.html_baseurl) == ("A title", "1.2", address)
    env = SimpleNamespace(found_docs={"intro", "chapters/one"})
    builder = SimpleNamespace(format="html", get_target_uri=lambda name: f"{name}.html")
    app = SimpleNamespace(config=config, env=env, builder=builder, outdir=tmp_path)
    identity.write_sitemap(app, None)
    sitemap = (tmp_path / "sitemap.xml").read_text(encoding="utf-8")
    assert "<loc>https://ann.github.io/book/chapters/one.html</loc>" in sitemap
