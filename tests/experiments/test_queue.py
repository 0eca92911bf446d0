"""Runs shared by processes, stopped and gone on with: each is made once, and ends the same."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import psutil
import pytest

from cnnbook import Recipe, experiments, records
from cnnbook.experiments import Trial, _mechanism, _queue, experiment
from cnnbook.experiments._mechanism import CHOOSING_SEED

# An experiment in a module of its own, as the processes of a queue import it.
MODULE = """
from cnnbook import Recipe
from cnnbook.experiments import Trial, experiment

@experiment("shared-work", title="which kernel learns more from little?", seeds={"quick": 2})
def trials(scale):
    recipe = Recipe(epochs=EPOCHS, batch_size=100, precision="fp32")
    options = {"depth": 1, "channels": 4, "in_channels": 1}
    return [
        Trial(f"k{k}", "kernel_stack", recipe, options | {"kernel_size": k}, train_images=IMAGES)
        for k in (3, 5)
    ]
"""
CALL = """
import sys
import shared_work
from cnnbook import experiments
if __name__ == "__main__":
    folder, jobs = sys.argv[1], int(sys.argv[2])
    experiments.run("shared-work", folder=folder, device="cpu", jobs=jobs, seeds=(0, 1))
"""


@pytest.fixture
def call(tmp_path):
    """Start a process that runs the experiment with so many jobs, in a session of its own."""
    started = []

    def call(jobs, epochs=2, images=400):
        settings = f"EPOCHS, IMAGES = {epochs}, {images}\n"
        (tmp_path / "shared_work.py").write_text(settings + textwrap.dedent(MODULE))
        (tmp_path / "call.py").write_text(CALL)
        path = os.pathsep.join([str(tmp_path), os.getcwd()])
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "call.py"), str(tmp_path / "records"), str(jobs)],
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()  # closes its pipes


def on_file(tmp_path, pattern):
    return sorted(path.name for path in (tmp_path / "records").rglob(pattern))


def wait_for(found, seconds=900):
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


@pytest.mark.posix("preexec_fn")
def test_two_calls_at_once_make_each_run_once(call, tmp_path):
    lines = []
    for process in [call(2), call(1)]:
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
        lines += out.splitlines()
    made = sorted(re.match(r"shared-work (k\d, seed \d): test accuracy", line)[1] for line in lines)
    assert made == ["k3, seed 0", "k3, seed 1", "k5, seed 0", "k5, seed 1"]
    runs = [json.loads(p.read_text()) for p in (tmp_path / "records").rglob("k*.json")]
    assert len(runs) == 4 and {run["threads"] for run in runs} == {1}
    assert on_file(tmp_path, "*.pt") == on_file(tmp_path, "*.lock") == []


@pytest.mark.posix("SIGKILL")
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_stopped_call_leaves_no_process_and_the_next_goes_on(call, tmp_path, how):
    first = call(2, epochs=4, images=1500)
    wait_for(lambda: "epoch-0002.pt" in on_file(tmp_path, "epoch-*.pt"))
    workers = psutil.Process(first.pid).children(recursive=True)
    assert len(workers) >= 2
    os.kill(first.pid, getattr(signal, how))
    first.communicate(timeout=900)
    psutil.wait_procs(workers, timeout=900)
    assert not [worker for worker in workers if worker.is_running()]
    assert on_file(tmp_path, ".part-*") == []
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").rglob("epoch-0002.pt")}
    assert kept
    second = call(1, epochs=4, images=1500)
    seen = set()
    while second.poll() is None:
        seen |= set((tmp_path / "records").rglob("epoch-0000.pt"))
        time.sleep(0.02)
    assert second.returncode == 0, second.communicate()[1]
    assert len(on_file(tmp_path, "k*.json")) == 4
    stopped = {path.parent for path in kept}
    assert not stopped & {path.parent for path in seen}, "it began anew"


@pytest.fixture
def choosing(monkeypatch):
    """Register "choosing": one arm at the best of three rates, one as the best of two."""
    monkeypatch.setattr(_mechanism, "_EXPERIMENTS", {})
    recipe = Recipe(epochs=2, batch_size=100, fixed_images=100)
    options = {"depth": 1, "channels": 4, "in_channels": 1}

    @experiment("choosing", title="which is chosen?", seeds={"quick": 2, "standard": 3})
    def trials(scale: str) -> list[Trial]:
        one = Trial("one", "kernel_stack", recipe, options, train_images=300)
        kernels = [replace(one, arm=f"k{k}", options=options | {"kernel_size": k}) for k in (1, 3)]
        return [
            replace(one, rates=(1e-6, 0.01, 1e-5), choosing_epochs=1),
            replace(one, arm="best", among=tuple(kernels)),
        ]


def test_a_rate_is_chosen_by_training_loss_with_a_seed_of_its_own(choosing, tmp_path):
    left = _queue.look("choosing", "quick", folder=tmp_path)
    assert [run.arm for run in left.ready] == [
        "one-lr1e-06", "one-lr0.01", "one-lr1e-05", "k1", "k3",
    ]  # fmt: skip
    assert left.waiting == 4 and len(left) == 9
    runs = experiments.run("choosing", folder=tmp_path, device="cpu", progress=False)
    assert [(run.arm, run.seed) for run in runs] == [
        ("best", 0), ("best", 1), ("one", 0), ("one", 1),
    ]  # fmt: skip
    tried = records.candidates("choosing", "quick", folder=tmp_path)
    assert {run.seed for run in tried} == {CHOOSING_SEED} and len(tried) == 5
    assert {run.recipe.epochs for run in runs} == {2} == {len(run.history) for run in runs}
    assert {run.recipe.epochs for run in tried if run.chooses == "one"} == {1}
    losses = {
        run.recipe.lr: run.history.fixed_loss.iloc[-1] for run in tried if run.chooses == "one"
    }
    assert {run.recipe.lr for run in runs if run.arm == "one"} == {min(losses, key=losses.get)}
    right = {
        run.options["kernel_size"]: run.history.validation_accuracy.iloc[-1]
        for run in tried
        if run.chooses == "best"
    }
    best = {run.options["kernel_size"] for run in runs if run.arm == "best"}
    assert best == {max(right, key=right.get)}
    assert records.is_complete("choosing", "quick", tmp_path)


def test_a_rate_at_the_end_of_the_row_is_not_taken_before_the_next_was_tried(
    choosing, tmp_path, monkeypatch
):
    (first, _) = _mechanism.find("choosing").trials("quick")
    only = replace(first, rates=(1e-5, 1e-4), widens=True)
    registered = replace(_mechanism.find("choosing"), trials=lambda scale: [only])
    monkeypatch.setitem(_mechanism._EXPERIMENTS, "choosing", registered)
    runs = experiments.run("choosing", folder=tmp_path, device="cpu", progress=False)
    tried = records.candidates("choosing", "quick", folder=tmp_path)
    losses = {run.recipe.lr: run.history.fixed_loss.iloc[-1] for run in tried}
    rates = sorted(losses)
    assert rates[:3] == [1e-5, 1e-4, 2e-4] and len(rates) > 5
    assert all(b / a == 2 for a, b in zip(rates[1:], rates[2:], strict=False))
    best = min(losses, key=losses.get)
    assert best == rates[-2] and {run.recipe.lr for run in runs} == {best}
    assert _queue.look("choosing", "quick", folder=tmp_path).ready == []


def test_seeds_are_those_that_the_scale_states(choosing, tmp_path):
    assert len(_queue.plan("choosing", "quick")) == 4
    assert len(_queue.plan("choosing", "standard")) == 6
    assert len(_queue.plan("choosing", "standard", seeds=(7,))) == 2
    with pytest.raises(ValueError, match="^choosing has no full scale; it has quick, standard$"):
        experiments.run("choosing", "full", folder=tmp_path)


def test_a_run_that_diverges_is_left_out_and_named(choosing, tmp_path, monkeypatch, capsys):
    tried = []

    def diverging(name, scale, trial, *arguments, **options):
        tried.append(trial.arm)
        if trial.arm == "one-lr0.01":
            raise FloatingPointError("the training loss became nan at step 3")
        return run_one(name, scale, trial, *arguments, **options)

    run_one = _queue.run_one
    monkeypatch.setattr(_queue, "run_one", diverging)
    runs = experiments.run("choosing", folder=tmp_path, device="cpu")
    assert {run.arm for run in runs} == {"one", "best"}
    assert {run.recipe.lr for run in runs if run.arm == "one"} <= {1e-6, 1e-5}
    assert "choosing one-lr0.01: left out, the training loss became nan" in capsys.readouterr().out
    assert tried.count("one-lr0.01") == 1
    experiments.run("choosing", folder=tmp_path, device="cpu")  # it knows, and does not try again
    assert tried.count("one-lr0.01") == 1


def test_a_timed_experiment_wants_a_quiet_machine(choosing, tmp_path, monkeypatch):
    found = replace(experiments.find("choosing"), alone=True)
    monkeypatch.setitem(_mechanism._EXPERIMENTS, "choosing", found)
    monkeypatch.setattr(_queue.os, "getloadavg", lambda: (0.51, 0, 0))
    with pytest.raises(ValueError, match="needs a quiet machine: the load is 0.51, it must be"):
        experiments.run("choosing", folder=tmp_path, device="cpu", progress=False)
    with pytest.raises(ValueError, match="one run at a time, so leave out jobs=2"):
        experiments.run("choosing", folder=tmp_path, jobs=2)
    assert not list(tmp_path.rglob("*seed*.json"))


def test_a_timed_experiment_waits_for_its_own_load_to_go(choosing, tmp_path, monkeypatch):
    found = replace(experiments.find("choosing"), alone=True)
    monkeypatch.setitem(_mechanism._EXPERIMENTS, "choosing", found)
    loads = iter([0.1] + [2.9, 1.8, 1.4] * 9)  # quiet at first; later its own is 1 of it
    monkeypatch.setattr(_queue.os, "getloadavg", lambda: (next(loads), 0, 0))
    monkeypatch.setattr(_queue, "PATIENCE", 0.0)
    monkeypatch.setattr(_queue, "COOLING", math.inf)
    monkeypatch.setattr(_queue, "_still_counts", lambda ended: float(ended > 0))
    runs = experiments.run("choosing", folder=tmp_path, device="cpu", progress=False)
    assert len(runs) == 4 and next(loads) == 2.9


def test_what_ran_before_is_no_load_of_others(monkeypatch):
    monkeypatch.setattr(_queue, "PATIENCE", 0.0)
    monkeypatch.setattr(_queue, "COOLING", 0.2)
    now = time.monotonic()
    for load, ago, others in [
        (2.1, 0, 0.1),
        (1.2, 60, 0.46),
        (0.4, 3600, 0.4),
        (0.5, math.inf, 0.5),
    ]:
        monkeypatch.setattr(_queue.os, "getloadavg", lambda load=load: (load, 0, 0))
        assert load - 2 * _queue._still_counts(now - ago) == pytest.approx(others, abs=0.01)
        _queue.require_quiet("choosing", 2, now - ago)
    monkeypatch.setattr(_queue.os, "getloadavg", lambda: (2.9, 0, 0))
    with pytest.raises(ValueError, match="the load is 0.9"):
        _queue.require_quiet("choosing", 2, time.monotonic())
    with pytest.raises(ValueError, match="the load is 2.90"):
        _queue.require_quiet("choosing", 2)
    monkeypatch.delattr(_queue.os, "getloadavg")
    with pytest.raises(ValueError, match="does not tell its load; use one of Linux or macOS"):
        _queue.require_quiet("choosing", 2)


def test_bad_calls(tmp_path):
    for jobs in (0, -1, 1.5, True):
        with pytest.raises(ValueError, match="^jobs must be a positive integer, got"):
            experiments.run("zoo", folder=tmp_path, jobs=jobs)
    with pytest.raises(ValueError, match="^name at least one experiment$"):
        experiments.run((), folder=tmp_path)
    with pytest.raises(ValueError, match="^speed has no standard scale; it has full, quick$"):
        experiments.run(["zoo", "speed"], "standard", folder=tmp_path)
    with pytest.raises(ValueError, match="^cannot write "):
        (tmp_path / "file").touch()
        experiments.run("zoo", "quick", folder=tmp_path / "file")
