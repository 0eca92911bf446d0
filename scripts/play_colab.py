"""Play Colab: run exported chapters where only Colab's packages are, from an empty folder.

    python scripts/play_colab.py [CHAPTER ...] [--install REQUIREMENT ...]

A chapter is named as its notebook is, its solutions solutions/CHAPTER.

Without --install the environment shows the torch of this one, so nothing large is downloaded.
With it, the environment is a new one with these requirements besides what Colab has:
--install torch==2.6.0 torchvision==0.21.0. The chapters install the rest themselves, as in Colab:
the package from a git repository with the files of this folder, its dependencies from the index.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_ext"))
sys.path.insert(0, str(ROOT / "scripts"))
import colab  # noqa: E402
from watched import Stuck, WatchedClient  # noqa: E402

PRESENT = ("torch", "torchvision", "pandas", "matplotlib", "ipykernel")  # of what Colab has
PACKAGED = ("cnnbook", "pyproject.toml", "LICENSE", ".gitignore")
# What would let the new environment see this one.
LEAKS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "JUPYTER_PATH")


def closure(names: tuple[str, ...]) -> list[str]:
    """The distributions `names` of this environment with all that they require, sorted."""
    found: dict[str, set[str]] = {}  # with the extras that were followed, "" for none
    waiting = [(name, "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        name = canonicalize_name(name)
        if extra in found.get(name, ()):
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            if name in PRESENT:
                raise
            continue  # of another platform
        found.setdefault(name, set()).add(extra)
        for needed in map(Requirement, requires):
            if not needed.marker or needed.marker.evaluate({"extra": extra}):
                waiting += [(needed.name, wanted) for wanted in ("", *needed.extras)]
    return sorted(found)


def show(names: list[str], site_packages: Path) -> None:
    """Link the files of these distributions of this environment into another's folder.

    A folder that is theirs alone is one link. pip removes nothing behind a link to a folder.
    """
    others: set[str] = set()
    for this in distributions():
        if canonicalize_name(this.name) not in names:
            others.update(file.parts[0] for file in this.files or [])
    for this in map(distribution, names):
        for file in this.files or []:
            # Commands beside the packages point to this environment: left out.
            if ".." in file.parts or file.is_absolute():
                continue
            part = file if file.parts[0] in others else Path(file.parts[0])
            link = site_packages / part
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(this.locate_file(part))


def environment(folder: Path, requirements: list[str]) -> Path:
    """Make an environment with Colab's packages; its Python.

    With `requirements` they are downloaded; without, those of this environment are linked.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    if requirements:
        pip = [python, "-m", "pip", "install", "--quiet", *PRESENT, *requirements]
        subprocess.run(pip, check=True, env=clean())
    else:
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        done = subprocess.run(
            [python, "-c", ask], check=True, capture_output=True, encoding="utf-8"
        )
        show(closure(PRESENT), Path(done.stdout.strip()))
    kernel = [python, "-m", "ipykernel", "install", "--prefix", folder, "--name", "python3"]
    subprocess.run(kernel, check=True, env=clean(), capture_output=True)
    return python


def clean() -> dict[str, str]:
    """The variables of this process without those that lead back to its environment."""
    return {name: value for name, value in os.environ.items() if name not in LEAKS}


def local_repository(folder: Path) -> str:
    """A git repository in `folder` with the files that the package is made of; its address."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in PACKAGED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder)
    git = ["git", "-C", str(folder), "-c", "user.name=cnnbook", "-c", "user.email=cnnbook@invalid"]
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "As it is"]):
        subprocess.run([*git, *command], check=True)
    return f"file://localhost{folder.as_posix()}"  # older pips take no address without a host


def play(notebook: Path, prefix: Path, empty: Path) -> nbformat.NotebookNode:
    """Run a notebook with the Python of the environment `prefix` in the folder `empty`.

    Returns it as it was executed. Raises RuntimeError if a cell fails.
    """
    specs = KernelSpecManager(
        kernel_dirs=[str(prefix / "share" / "jupyter" / "kernels")], ensure_native_kernel=False
    )
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
    played = nbformat.read(notebook, as_version=4)
    for cell in played.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(empty)}}
    client = WatchedClient(played, str(notebook), km=manager, resources=resources)
    try:
        # As where it is activated: a cell's `!pip` is that of the notebook's own Python.
        path = f"{prefix / 'bin'}{os.pathsep}{os.environ['PATH']}"
        client.execute(env=clean() | {"PATH": path})
    except (CellExecutionError, Stuck) as error:
        # A failed installation stops nothing by itself.
        raise RuntimeError(
            f"{error}\nThe first cell wrote:\n{printed(installs(played))}"
        ) from error
    return played


def installs(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The cell that installs the package."""
    return next(cell for cell in notebook.cells if cell.id == "install")


def printed(cell: nbformat.NotebookNode) -> str:
    """What the cell wrote, without its other outputs. A failed installation says why here."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def imports(notebook: Path) -> str:
    """The import statements of all cells of a notebook, as a program."""
    cells = [c.source for c in nbformat.read(notebook, 4).cells if c.cell_type == "code"]
    code = "\n".join(
        cell for cell in cells if not cell.lstrip().startswith(("%", "!", "# Run this"))
    )
    kinds = (ast.Import, ast.ImportFrom)
    return "\n".join(ast.unparse(n) for n in ast.walk(ast.parse(code)) if isinstance(n, kinds))


def name(notebook: Path, folder: Path) -> str:
    """How a notebook below `folder` is named: `alexnet`, `solutions/alexnet`."""
    return notebook.relative_to(folder / "chapters").with_suffix("").as_posix()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Run the Colab exports where only Colab's are.")
    parser.add_argument(
        "chapters",
        nargs="*",
        metavar="CHAPTER",
        help="all, if none is named; of the others the imports",
    )
    parser.add_argument("--install", nargs="+", default=[], metavar="REQUIREMENT")
    options = parser.parse_args(arguments)
    known = [name(ROOT / page, ROOT) for page in colab.notebooks()]
    if unknown := sorted(set(options.chapters) - set(known)):
        parser.error(f"no chapter {', '.join(unknown)}; there are {', '.join(known)}")
    failed = []
    with TemporaryDirectory(prefix="colab-") as folder:
        here = Path(folder)
        python = environment(here / "environment", options.install)
        repository = local_repository(here / "repository")
        paths = colab.export_all(
            repository, here / "exported", commit=colab.commit_of(here / "repository")
        )
        exported = {name(path, here / "exported"): path for path in paths}
        chosen = options.chapters or known
        for chapter in chosen:
            empty = here / "content" / chapter
            empty.mkdir(parents=True)
            start = time.monotonic()
            try:
                play(exported[chapter], here / "environment", empty)
                print(f"{chapter}: ran in {time.monotonic() - start:.0f} s", flush=True)
            except RuntimeError as error:
                failed.append(chapter)
                print(f"{chapter}: a cell failed\n{error}", flush=True)
        if others := [chapter for chapter in known if chapter not in chosen]:
            names = ", ".join(others)
            program = "\n".join(imports(exported[chapter]) for chapter in others)
            done = subprocess.run([python, "-c", program], cwd=here / "content", env=clean())
            if done.returncode == 0:
                print(f"import all they need: {names}")
            else:
                failed.append(names)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
