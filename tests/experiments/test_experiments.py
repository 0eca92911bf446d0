import platform
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import torch

import cnnbook
from cnnbook import Recipe, data, experiments, fit, models, records
from cnnbook.experiments import (
    TimingTrial,
    Trial,
    _mechanism,
    _provenance,
    _queue,
    experiment,
)
from cnnbook.records.store import read_plan, run_name
from cnnbook.training.run import HISTORY


def run(folder, **options):
    options = {"device": "cpu", "seeds": (0, 1), "progress": False} | options
    return experiments.run("two-widths", folder=folder, **options)


def test_every_trial_and_seed_leaves_a_record(two_widths, tmp_path):
    before = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    runs = run(tmp_path)
    assert [(r.arm, r.seed) for r in runs] == [
        ("narrow", 0), ("narrow", 1), ("wide", 0), ("wide", 1),
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "two-widths" / "quick").iterdir()) == [
        "narrow-seed0.json", "narrow-seed1.json", "plan.json",
        "wide-seed0.json", "wide-seed1.json",
    ]  # fmt: skip
    assert not list((tmp_path / ".work").rglob("*.*")), "locks and checkpoints stay behind"
    wide = runs[3]
    assert (wide.experiment, wide.scale, wide.architecture) == ("two-widths", "quick", "small")
    assert wide.options == {"channels": [16]} and wide.recipe == replace(two_widths, seed=1)
    train, _ = data.load("fashion-mnist-mini")
    assert wide.data == "fashion-mnist-mini" and wide.train_images == 400
    assert wide.data_checksum == train.subset(range(400)).checksum
    assert wide.parameters == 16 * 26 + 1024 * 10 + 10
    assert wide.device.startswith("CPU") and wide.threads == 1
    assert wide.versions["torch"] == torch.__version__
    assert wide.versions["python"] == platform.python_version()
    assert wide.versions["cnnbook"] == cnnbook.__version__
    started = datetime.strptime(wide.started, "%Y-%m-%dT%H:%M:%SZ")
    assert before <= started <= datetime.now(UTC).replace(tzinfo=None)
    assert 0.3 < wide.test_accuracy < 1
    assert wide.precision == "fp32" and wide.chooses is None
    assert wide.test_correct.mean() == pytest.approx(wide.test_accuracy, abs=1e-6)
    assert 0 < wide.process_seconds < 2 * wide.seconds
    assert list(wide.history) == list(HISTORY) and len(wide.history) == 2


def test_a_record_holds_what_fit_gives_for_that_seed(two_widths, tmp_path):
    recorded = run(tmp_path)[1]
    train, test = data.load("fashion-mnist-mini")
    torch.manual_seed(1)
    model = models.create("small", channels=(8,))
    recipe = replace(two_widths, seed=1)
    again = fit(model, train.subset(range(400)), test, recipe, device="cpu", progress=False)
    assert recorded.test_loss == pytest.approx(again.test_loss, rel=1e-5)
    assert recorded.test_accuracy == again.test_accuracy
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "lr"):
        np.testing.assert_allclose(recorded.history[name], again.history[name], rtol=1e-5)


def test_seeds_differ_and_the_callers_random_numbers_stay(two_widths, tmp_path):
    state = torch.get_rng_state()
    narrow = run(tmp_path)[:2]
    assert narrow[0].test_loss != narrow[1].test_loss
    assert torch.equal(torch.get_rng_state(), state)


def test_runs_on_record_are_skipped(two_widths, tmp_path, capsys):
    run(tmp_path, seeds=(0,))
    first = {path: path.read_bytes() for path in tmp_path.rglob("*-seed0.json")}
    assert len(run(tmp_path, progress=True)) == 4
    assert {path: path.read_bytes() for path in first} == first
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "two-widths narrow, seed 1", "two-widths wide, seed 1",
    ]  # fmt: skip
    assert lines[1].endswith("0 left")


def test_an_interrupted_experiment_goes_on_where_it_stopped(two_widths, tmp_path, monkeypatch):
    calls = []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*arguments, **options)

    monkeypatch.setattr(_mechanism, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert len(records.load("two-widths", folder=tmp_path)) == 2
    assert len(run(tmp_path)) == 4
    assert len(calls) == 3 + 2


def test_the_time_limit_starts_nothing_that_will_not_fit(two_widths, tmp_path, capsys):
    for record in run(tmp_path, seeds=(0,), limit_seconds=100):
        records.save(replace(record, seconds=1000.0), tmp_path)
    assert len(run(tmp_path, limit_seconds=999, progress=True)) == 2
    assert capsys.readouterr().out == "2 of 2 runs left would take too long; run it again\n"
    assert len(run(tmp_path, limit_seconds=2000)) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": Recipe(epochs=3, batch_size=100, lr=0.02)}, "epochs 2, the experiment has 3"),
        ({"options": {"channels": (9,)}}, r"options {'channels': \[8\]}, the experiment has {'ch"),
        ({"train_images": 500}, "train_images 400, the experiment has 500 now; delete it"),
        ({"data": "fashion-mnist"}, "data 'fashion-mnist-mini', the experiment has 'fashion-mn"),
    ],
)
def test_a_record_of_other_settings_is_not_taken_for_this_one(
    two_widths, tmp_path, monkeypatch, change, message
):
    run(tmp_path, seeds=(0,))
    found = experiments.find("two-widths")
    trials = [replace(found.trials("quick")[0], **change)]
    monkeypatch.setitem(
        _mechanism._EXPERIMENTS, "two-widths", replace(found, trials=lambda scale: trials)
    )
    match = f"two-widths/quick/narrow-seed0.json was recorded with {message}"
    with pytest.raises(ValueError, match=match):
        run(tmp_path, seeds=(0,))


def test_a_damaged_record_is_not_run_over(two_widths, tmp_path):
    run(tmp_path, seeds=(0,))
    path = records.path_of("two-widths", "quick", "wide", 0, tmp_path)
    path.write_text(path.read_text()[:200])
    with pytest.raises(ValueError, match="wide-seed0.json: is no JSON"):
        run(tmp_path)


def test_wrong_names(two_widths, tmp_path):
    with pytest.raises(ValueError, match="^unknown experiment 'zo'; did you mean zoo"):
        experiments.run("zo")
    with pytest.raises(ValueError, match="^unknown scale 'fulll'; there is full, standard, q"):
        run(tmp_path, scale="fulll")
    with pytest.raises(ValueError, match="^no device 'gpu' here"):
        run(tmp_path, device="gpu")
    with pytest.raises(ValueError, match="^arm must be of letters"):
        Trial("a b", "small", Recipe())
    with pytest.raises(ValueError, match="^an experiment's name must be new and like kernel"):
        experiment("Two Widths", title="")(lambda scale: [])


def test_the_commit_names_the_code(tmp_path, monkeypatch):
    def git(*arguments):
        person = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *person, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "cnnbook"
    (package / "records" / "zoo" / "quick").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setattr(_provenance, "PACKAGE", package)
    commit = _provenance.code_commit.__wrapped__
    assert commit() is None
    git("init", "--quiet")
    assert commit() is None  # the repository of someone else, in which the package is installed
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    assert commit() == git("rev-parse", "--short=12", "HEAD")
    (package / "records" / "zoo" / "quick" / "a-seed0.json").write_text("{}")
    assert not commit().endswith("-dirty")
    (package / "models.py").touch()
    assert commit() == git("rev-parse", "--short=12", "HEAD") + "-dirty"


@pytest.mark.parametrize("name", experiments.names())
def test_every_experiment_of_the_book(name):
    """It has a title and, at both scales, trials that can be built and trained."""
    found = experiments.find(name)
    assert found.name == name and len(found.title) > 20
    for scale in found.seeds:
        trials = found.trials(scale)
        assert len({trial.arm for trial in trials}) == len(trials) >= (1 if found.alone else 2)
        for trial in trials:
            with torch.device("meta"):
                model = models.create(trial.architecture, **trial.options)
            assert any(p.requires_grad for p in model.parameters())
            assert isinstance(trial, TimingTrial) or trial.data in data.names()


def test_the_records_of_the_book_are_of_the_settings_that_stand_in_the_code():
    for name in records.names():
        for scale in experiments.find(name).seeds:
            left = _queue.look(name, scale)  # raises where one was made with other settings
            on_file = records.load(name, scale)
            known = {(run.arm, run.seed) for run in _queue.plan(name, scale)}
            assert {(run.arm, run.seed) for run in on_file} <= known
            results = [run for run in left.ready if getattr(run, "chooses", None) is None]
            assert len(results) + left.waiting == len(known) - len(on_file)


def test_what_makes_a_scale_complete_is_what_the_experiments_plan():
    for name in records.names():
        for scale in experiments.find(name).seeds:
            if records.load(name, scale):
                plan = [run_name(run.arm, run.seed) for run in _queue.plan(name, scale)]
                assert list(read_plan(name, scale)) == plan, (name, scale)
