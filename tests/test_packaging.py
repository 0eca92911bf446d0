"""What `pip install` takes: the embedded data, and dependencies that the book's pins meet."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", "ruff.toml")
    shutil.copytree(ROOT / "cnnbook", source / "cnnbook", ignore=ignore)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("cnnbook-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = {
        p.relative_to(source).as_posix() for p in (source / "cnnbook").rglob("*") if p.is_file()
    }
    assert any(name.endswith(".xz") for name in files)
    assert files - packed == set()


def test_the_pins_meet_the_package_s_requirements():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", "\n".join(lines), re.M))
    for requirement in map(Requirement, requires("cnnbook")):
        assert requirement.specifier.contains(pins[requirement.name]), requirement
