"""Networks by name: whose code runs, and whose errors are shown."""

from __future__ import annotations

import sys

import pytest

from cnnbook import cli

MODULE = """
from torch import nn
ready = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 26 * 26, 4))

def build():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 26 * 26, 4))

def broken():
    weights = []
    return weights[3]

def wrong_value():
    raise ValueError("a width of 7 is odd")

def number():
    return 3

def needs():
    import a_library_that_nobody_has

def ends():
    raise SystemExit(0)

MORE = "text"
"""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    (tmp_path / "of_mine.py").write_text(MODULE)
    (tmp_path / "no_python.py").write_text("def build(:\n")
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main([*arguments])
        return end.value.code, *capsys.readouterr()

    yield call
    for name in ("of_mine", "no_python"):
        sys.modules.pop(name, None)


def test_a_claim_is_asked_of_a_network_of_ones_own(call):
    code, out, err = call("claims", "alexnet/fc-params", "--model", "of_mine:build",
                          "--input", "1x28x28")  # fmt: skip
    assert (code, err) == (0, "")
    assert out.startswith("alexnet/fc-params: HOLDS")
    assert "In Sequential 1 fully connected layer holds" in out and "99.6%" in out
    asked = ("claims", "vgg/five-stages", "--model", "of_mine:ready", "--input", "1x28x28")
    code, out, _ = call(*asked)
    assert code == 1 and out.startswith("vgg/five-stages: DOES NOT HOLD")


def test_without_a_name_all_that_can_be_asked_are(call):
    from cnnbook import claims

    code, out, err = call("claims", "--model", "resnet18", "--json")
    assert code == 1 and err == ""
    assert [f'"{id}"' in out for id in claims.askable()] == [True] * len(claims.askable())


@pytest.mark.parametrize(
    "name, said",
    [
        ("of_mine:broken", "the code of of_mine:broken raised IndexError: list index out of range "
         "(of_mine.py, line 10)"),
        ("of_mine:wrong_value", "the code of of_mine:wrong_value raised ValueError: a width of 7 "
         "is odd (of_mine.py, line 13)"),
        ("of_mine:needs", "the code of of_mine:needs raised ModuleNotFoundError: No module named "
         "'a_library_that_nobody_has' (of_mine.py, line 19)"),
        ("of_mine:number", "of_mine:number must give a torch.nn.Module, got int"),
        ("of_mine:built", "the module 'of_mine' has no 'built'"),
        ("of_mine:MORE", "of_mine:MORE must give a torch.nn.Module, got str"),
        ("of_mine:ends", "the code of of_mine:ends raised SystemExit: 0 (of_mine.py, line 22)"),
        ("json:loads", "the code of json:loads raised TypeError: loads() missing 1 required"),
        ("time:sleep", "the code of time:sleep raised TypeError: time.sleep() takes exactly one"),
        ("sys:exit", "the code of sys:exit raised SystemExit\n"),
        (":build", "the code of :build raised ValueError: Empty module name"),
        ("nowhere:build", "there is no module 'nowhere' here to build 'build'"),
        ("no_python:build", "the code of no_python:build raised SyntaxError:"),
        ("torchvision:resnet19", "torchvision has no network 'resnet19'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", [("profile",), ("claims", "alexnet/fc-params", "--model")])
def test_what_goes_wrong_is_told_in_a_line_as_its_own(call, command, name, said):
    code, out, err = call(*command, name)
    assert (code, out) == (2, "")
    assert err.startswith(f"cnnbook: {said}") and err.count("\n") == 1


def test_what_is_not_named_is_not_imported(call):
    call("profile", "resnet18")
    assert "of_mine" not in sys.modules


def test_a_claim_on_runs_cannot_be_asked(call):
    code, _, err = call("claims", "resnet/deeper-worse", "--model", "resnet18")
    assert code == 2 and "cannot be asked of another" in err
