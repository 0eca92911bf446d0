"""Imports between the rooms of the package go down only, as the picture in CONTRIBUTING shows."""

from __future__ import annotations

import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = Path(sysconfig.get_path("scripts")) / "lint-imports"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
(CONTRACT,) = SETTINGS["tool"]["importlinter"]["contracts"]
HELD = [re.split(r"\s*\|\s*", floor) for floor in CONTRACT["layers"]]
ROOMS = {room for floor in HELD for room in floor}


def lint(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [TOOL, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=900
    )


def test_imports_go_down():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_an_import_that_goes_up_is_found(tmp_path):
    room = tmp_path / "cnnbook"
    for name in ROOMS:
        (room / name).mkdir(parents=True)
        (room / name / "__init__.py").touch()
    (room / "__init__.py").touch()
    (room / "__main__.py").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    assert lint(tmp_path).returncode == 0
    (room / "models" / "__init__.py").write_text("from cnnbook import training\n", "utf-8")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert "cnnbook.models is not allowed to import cnnbook.training" in done.stdout


def test_the_picture_is_the_order_that_is_held():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    picture = re.search(r"## The house.*?```\n(.*?)```", text, re.S).group(1)
    drawn = [[word for word in line.split("   ")[0].split() if word in ROOMS]
             for line in picture.splitlines()]  # fmt: skip
    assert drawn == HELD
