"""Experiments that time networks: a record for each, made once, gone on with after a stop."""

from __future__ import annotations

import pytest
import torch

from cnnbook import experiments, models, profile, records
from cnnbook.experiments import TimingTrial, _mechanism, _timing, experiment
from cnnbook.measuring import NotEnoughMemory, measure, roofline

TRIALS = [
    TimingTrial("resnet20", {"in_channels": 1}, (1, 8, 8), batch, training, min_seconds=0)
    for batch in (1, 4)
    for training in (False, True)
]


@pytest.fixture
def two_batches(monkeypatch):
    monkeypatch.setattr(_mechanism, "_EXPERIMENTS", {})
    monkeypatch.setattr(roofline, "SECONDS", 0.05)
    experiment("two-batches", title="what does a batch change?")(lambda scale: TRIALS)


def run(folder, **options):
    options = {"device": "cpu", "progress": False} | options
    return experiments.run("two-batches", folder=folder, **options)


def test_each_leaves_a_record_whatever_the_seeds(two_batches, tmp_path):
    runs = run(tmp_path)
    assert [run.arm for run in runs] == [
        "resnet20-inference-float32-1", "resnet20-inference-float32-4",
        "resnet20-training-float32-1", "resnet20-training-float32-4",
    ]  # fmt: skip
    one = runs[3]
    p = profile(models.create("resnet20", in_channels=1), (1, 8, 8), training=True)
    assert one.training and one.batch_size == 4 and one.input_size == [1, 8, 8]
    assert one.parameters == p.total.params and one.moved_bytes == roofline.traffic(p, 4, 4, True)
    assert one.flops == 4 * (3 * p.total.flops - p.layers[0].flops)
    assert one.threads == 1 and one.runs >= 5 and one.peak_memory is None
    assert 0 < one.latency < one.seconds and 0 < one.share_of_peak < 1
    assert one.versions["torch"] == torch.__version__ and one.channels_last


def test_it_goes_on_where_it_stopped(two_batches, tmp_path, monkeypatch, capsys):
    calls = []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return measure(*arguments, **options)

    monkeypatch.setattr(_timing, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    first = {path: path.read_bytes() for path in tmp_path.rglob("resnet20-*.json")}
    assert len(first) == 2
    assert len(run(tmp_path, progress=True)) == 4 and len(calls) == 5
    assert {path: path.read_bytes() for path in first} == first
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith(" images/s; 1 left") for line in lines] == [True, False]


def test_a_batch_too_large_for_the_device_is_left_out(two_batches, tmp_path, monkeypatch, capsys):
    def small(model, size, batch, *arguments, **options):
        if batch == 4:
            raise NotEnoughMemory("cpu has not enough memory for a batch of 4")
        return measure(model, size, batch, *arguments, **options)

    monkeypatch.setattr(_timing, "measure", small)
    assert [run.batch_size for run in run(tmp_path, progress=True)] == [1, 1]
    assert "float32-4: left out, cpu has not enough memory" in capsys.readouterr().out


def test_a_record_of_other_settings_is_not_taken_for_this_one(two_batches, tmp_path, monkeypatch):
    run(tmp_path)
    other = TimingTrial("resnet20", {"in_channels": 1}, (1, 9, 9))
    experiment_now = experiments.Experiment("two-batches", "", lambda scale: [other], {"quick": 1})
    monkeypatch.setitem(_mechanism._EXPERIMENTS, "two-batches", experiment_now)
    match = (
        r"quick/resnet20-inference-float32-1.json was recorded with input_size \[1, 8, 8\], "
        r"the experiment has \[1, 9, 9\] now; delete it"
    )
    with pytest.raises(ValueError, match=match):
        run(tmp_path)


def test_float32_is_float32_on_a_gpu_too(two_batches, tmp_path, monkeypatch):
    seen = []

    def watching(*arguments, **options):
        seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark))
        return measure(*arguments, **options)

    monkeypatch.setattr(_timing, "measure", watching)
    before = torch.backends.cudnn.allow_tf32
    TRIALS[0].run("cpu", experiment="two-batches", scale="quick", started="2026-05-04T12:30:00Z")
    assert seen == [(False, True)] and torch.backends.cudnn.allow_tf32 is before


def test_the_speed_of_every_family_is_on_the_list():
    for scale in records.SCALES:
        trials = experiments.find("speed").trials(scale)
        names = {trial.architecture for trial in trials}
        families = ("alexnet", "zfnet", "vgg", "googlenet", "resnet", "resnext")
        assert all(any(name.startswith(family) for name in names) for family in families)
        batches = {(t.dtype, t.batch_size) for t in trials}
        assert len(trials) == len(names) * 2 * len(batches) and len(batches) >= 3
