"""Imports between the rooms of the package go down only, as the picture in CONTRIBUTING shows.

No files import each other in a circle, not even for their types.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOL = Path(sysconfig.get_path("scripts")) / "lint-imports"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FLOORS, _ = SETTINGS["tool"]["importlinter"]["contracts"]
HELD = [re.split(r"\s*\|\s*", floor) for floor in FLOORS["layers"]]
ROOMS = {room for floor in HELD for room in floor}


def lint(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [TOOL, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=900
    )


def test_imports_go_down():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def house(tmp_path) -> Path:
    """The rooms, empty, beside the settings that hold them."""
    room = tmp_path / "cnnbook"
    for name in ROOMS:
        (room / name).mkdir(parents=True)
        (room / name / "__init__.py").touch()
    (room / "__init__.py").touch()
    (room / "__main__.py").touch()
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    return room


def test_an_import_that_goes_up_is_found(house):
    assert lint(house.parent).returncode == 0
    (house / "models" / "__init__.py").write_text("from cnnbook import training\n", "utf-8")
    done = lint(house.parent)
    assert done.returncode == 1
    assert "cnnbook.models is not allowed to import cnnbook.training" in done.stdout


def test_a_circle_within_a_room_is_found(house):
    (house / "data" / "one.py").write_text("import cnnbook.data.two\n", "utf-8")
    (house / "data" / "two.py").touch()
    assert lint(house.parent).returncode == 0
    typed = "if TYPE_CHECKING:\n    from cnnbook.data.one import Images\n"
    (house / "data" / "two.py").write_text(f"from typing import TYPE_CHECKING\n\n{typed}", "utf-8")
    done = lint(house.parent)
    assert done.returncode == 1
    assert "No circle of files BROKEN" in done.stdout


def test_the_picture_is_the_order_that_is_held():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    picture = re.search(r"## The house.*?```\n(.*?)```", text, re.S).group(1)
    drawn = [[word for word in line.split("   ")[0].split() if word in ROOMS]
             for line in picture.splitlines()]  # fmt: skip
    assert drawn == HELD
