"""What `pip install` takes: the embedded data, and dependencies that the book's pins meet."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "cnnbook", source / "cnnbook", ignore=ignore)
    for name in ("pyproject.toml", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("cnnbook-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {
        p.relative_to(source).as_posix() for p in (source / "cnnbook").rglob("*") if p.is_file()
    }
    assert any(name.endswith(".xz") for name in files)
    assert files - packed == {"cnnbook/ruff.toml"}


def test_the_pins_meet_the_package_s_requirements():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", "\n".join(lines), re.M))
    for requirement in map(Requirement, requires("cnnbook")):
        assert requirement.specifier.contains(pins[requirement.name]), requirement


# What serves the repository alone.
LEFT_OUT = {".ci/run", ".gitattributes", ".gitignore"}


def tracked_files() -> set[str]:
    if not (ROOT / ".git").exists():  # unpacked from a source distribution, which has them listed
        listed = (ROOT / "cnnbook.egg-info" / "SOURCES.txt").read_text(encoding="utf-8")
        return {name for name in listed.splitlines() if not is_made(name)}
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return set(filter(None, done.stdout.split("\0")))


def is_made(name: str) -> bool:
    return ".egg-info/" in name or name in ("PKG-INFO", "setup.cfg")


def test_the_source_distribution_holds_what_is_in_the_repository(tmp_path):
    """So that its tests pass, and the book can be built from it."""
    tracked = tracked_files()
    clone = tmp_path / "clone"
    for name in tracked:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    for name in ("tests/__pycache__/a.pyc", "chapters/.ipynb_checkpoints/a.ipynb", "runs/a.pt"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes(b"left behind")
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    command = [sys.executable, "-c", build, tmp_path]
    subprocess.run(command, cwd=clone, capture_output=True, check=True)
    (archive,) = tmp_path.glob("cnnbook-*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {m.name.partition("/")[2] for m in tar.getmembers() if m.isfile()}
    assert tracked - packed == LEFT_OUT & tracked
    assert all(map(is_made, packed - tracked))
