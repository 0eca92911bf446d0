"""The benchmarks' arithmetic, their terms, and that each of them runs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import pytest
import torch
import torchvision

from benchmarks import _harness, _peers, _terms
from cnnbook import profile

SIZE = (3, 64, 64)


def test_calls_take_turns_in_an_order_that_turns(monkeypatch):
    monkeypatch.setattr(_harness, "SHORTEST_TURN", 0)
    order = []
    seconds = _harness.take_turns({name: lambda n=name: order.append(n) for name in "abc"}, 3)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(spent) for name, spent in seconds.items()} == dict.fromkeys("abc", 3)


def test_a_short_call_counts_with_its_mean(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(_harness, "SHORTEST_TURN", 5)
    monkeypatch.setattr(_harness.time, "perf_counter", lambda: next(clock))
    calls = []
    assert _harness.one_turn(lambda: calls.append(1)) == 5 / 4
    assert len(calls) == 4


def test_ratios_are_of_the_rounds():
    above, below = [1.0, 4.0, 30.0, 8.0, 5.0], [1.0, 2.0, 10.0, 2.0, 1.0]
    spread = _harness.ratios(above, below)  # 1, 2, 3, 4, 5
    assert spread == _harness.Spread(3, 2, 4)
    assert spread.median != statistics.median(above) / statistics.median(below)
    assert str(spread) == "3 (2–4)"


@pytest.mark.parametrize("measured, at_least, met", [(1.5, False, False), (1.5, True, True)])
def test_goals(measured, at_least, met):
    goal = _harness.Goal("ratio", measured, 1.02, at_least)
    assert goal.met is met and str(goal).startswith("met" if met else "MISSED")


def test_a_missed_goal_ends_with_status_1_and_the_result_is_on_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_harness, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["x"])

    def measure(report, quick):
        assert not quick
        report.rows.append({"what": "x", "seconds": _harness.Spread(1, 0.5, 2)})
        report.goal("x", 3, 2)

    with pytest.raises(SystemExit) as end:
        _harness.main("x", measure)
    assert end.value.code == 1 and "MISSED" in capsys.readouterr().out
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["rows"] == [{"what": "x", "seconds": {"median": 1, "lower": 0.5, "upper": 2}}]
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert {"device", "threads", "commit", "started"} <= set(found)


@pytest.mark.parametrize("tool", ["torchinfo", "FlopCounterMode"])
@pytest.mark.parametrize("name", ["vgg11", "densenet121"])
def test_terms_explain_a_tool_s_difference_exactly(tool, name):
    with torch.device("meta"):
        model = torchvision.models.get_model(name).eval()
    theirs = _peers.PEERS[tool](model, torch.zeros((1, *SIZE), device="meta"))
    terms = _terms.terms(tool, _terms.calls_of(model, SIZE))
    assert theirs == profile(model, SIZE).total.flops + sum(terms.values())
    assert bool(terms) == (tool == "torchinfo")


@pytest.mark.rare
@pytest.mark.parametrize(
    "name", ["profile", "memory", "imports", "step", "pipeline", "gpu", "book"]
)
def test_every_benchmark_runs(name):
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{name}", "--quick"]
    done = subprocess.run(command, cwd=_harness.ROOT, capture_output=True, text=True)
    lacking = name == "gpu" and not torch.cuda.is_available()
    assert done.returncode == (_harness.NOT_RUN if lacking else 0), done.stderr
    assert done.stdout.startswith("not run here: ") == lacking
    assert done.stdout.strip()
