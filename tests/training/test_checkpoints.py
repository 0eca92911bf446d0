import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cnnbook.training import Recipe, fit, loop

RECIPE = Recipe(epochs=3, batch_size=100, augment=("flip", "crop"))


def train(network, sets, folder, recipe=RECIPE, **options):
    return fit(network(), *sets, recipe, device="cpu", progress=False, checkpoint=folder, **options)


def same(one, other):
    plain = [run.history.drop(columns=["seconds", "images_per_second"]) for run in (one, other)]
    weights = other.model.state_dict()
    return plain[0].equals(plain[1]) and one.test_loss == other.test_loss and all(
        torch.equal(value, weights[name]) for name, value in one.model.state_dict().items()
    )  # fmt: skip


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class Stop(Exception):
    pass


def stop_in_epoch(monkeypatch, epoch, error=Stop):
    """Have `fit` stop in the middle of this epoch."""
    original, calls = loop.make_criterion, []

    def stopping(*arguments):
        criterion = original(*arguments)

        def stop(*given):
            calls.append(1)
            if len(calls) == 10 * epoch - 4:
                raise error
            return criterion(*given)

        return stop

    monkeypatch.setattr(loop, "make_criterion", stopping)


def interrupt(network, sets, folder, monkeypatch, epoch, recipe=RECIPE):
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_in_epoch(patch, epoch)
        train(network, sets, folder, recipe)


@pytest.fixture(scope="module")
def undisturbed(sets):
    """The run that was never stopped, for a recipe."""
    found = {}

    def run(network, recipe=RECIPE):
        if recipe not in found:
            found[recipe] = train(network, sets, None, recipe)
        return found[recipe]

    return run


@pytest.mark.posix("os.fork")
def test_runs_killed_at_random_moments_end_as_the_one_that_was_never_killed(tmp_path):
    script = Path(__file__).with_name("killed_runs.py")
    command = [sys.executable, str(script), str(tmp_path), "24"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)
    assert all(run["same"] for run in runs)
    moments = [epoch for run in runs for epoch in run["killed_after"]]
    assert len(moments) >= 24 and len(set(moments)) >= 3
    assert max(moments) >= 2  # some went on from the middle


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        replace(RECIPE, schedule="one-cycle", optimizer="adamw", lr=1e-3),
        replace(RECIPE, schedule="constant", warmup_epochs=1.5, ema=0.95),
    ],
    ids=["sgd-cosine", "adamw-one-cycle", "warmup-ema"],
)
def test_a_stopped_run_goes_on_to_the_same_bits(
    network, sets, tmp_path, monkeypatch, undisturbed, recipe
):
    interrupt(network, sets, tmp_path, monkeypatch, 3, recipe)
    assert names(tmp_path) == ["epoch-0001.pt", "epoch-0002.pt"]
    expected, epochs = undisturbed(network, recipe), []

    def counted(*arguments):
        epochs.append(1)
        return original(*arguments)

    original = loop.train_epoch
    monkeypatch.setattr(loop, "train_epoch", counted)
    assert same(train(network, sets, tmp_path, recipe), expected)
    assert len(epochs) == 1
    assert names(tmp_path) == ["epoch-0002.pt", "epoch-0003.pt"]


def test_a_finished_run_is_given_again(network, sets, tmp_path, undisturbed):
    first = train(network, sets, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    again = train(network, sets, tmp_path)
    assert same(first, again) and same(first, undisturbed(network))
    assert again.history.seconds.equals(first.history.seconds)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_starting_anew(network, sets, tmp_path, undisturbed):
    train(network, sets, tmp_path, replace(RECIPE, seed=1))
    run = train(network, sets, tmp_path, resume=False)
    assert same(run, undisturbed(network))
    assert names(tmp_path) == ["epoch-0002.pt", "epoch-0003.pt"]


@pytest.mark.parametrize("damage", ["cut off", "one bit", "emptied", "other content", "pickle"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    network, sets, tmp_path, monkeypatch, undisturbed, damage
):
    interrupt(network, sets, tmp_path, monkeypatch, 3)
    path = tmp_path / "epoch-0002.pt"
    content = bytearray(path.read_bytes())
    if damage == "one bit":
        content[len(content) // 2] ^= 1
    else:
        content = {
            "cut off": content[: len(content) // 2],
            "emptied": b"",
            "other content": b"PK" + bytes(5000),
            "pickle": b"\x80\x04cos\nsystem\n(X\x02\x00\x00\x00lstR.",
        }[damage]
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"epoch-0002.pt is damaged \(.*\); looking further back"):
        run = train(network, sets, tmp_path)
    assert same(run, undisturbed(network))


def test_code_in_a_checkpoint_is_not_run(network, sets, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "trapped"),)

    torch.save({"format": 1, "trap": Trap()}, tmp_path / "epoch-0002.pt")
    with (
        pytest.warns(UserWarning, match="epoch-0002.pt is damaged"),
        pytest.raises(ValueError, match="^no checkpoint in .* can be read; delete it to start"),
    ):
        train(network, sets, tmp_path)
    assert names(tmp_path) == ["epoch-0002.pt"]


def test_a_checkpoint_of_another_format(network, sets, tmp_path):
    train(network, sets, tmp_path, replace(RECIPE, epochs=1))
    for path in tmp_path.iterdir():
        torch.save(torch.load(path) | {"format": 99}, path)
    with (
        pytest.warns(UserWarning, match="format 99 is not 2"),
        pytest.raises(ValueError, match="^no checkpoint in"),
    ):
        train(network, sets, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.06}, "lr 0.05, this one has 0.06"),
        ({"epochs": 4}, "epochs 3, this one has 4"),
        ({"seed": 1}, "seed 0, this one has 1"),
        ({"augment": ("flip",)}, r"augment \('flip', 'crop'\), this one has \('flip',\)"),
        ({"ema": 0.9}, "ema 0.0, this one has 0.9"),
    ],
)
def test_a_checkpoint_of_another_recipe_names_the_field(
    network, sets, tmp_path, monkeypatch, change, message
):
    interrupt(network, sets, tmp_path, monkeypatch, 1)
    with pytest.raises(ValueError, match=f"epoch-0000.pt is of a run with {message}; choose ano"):
        train(network, sets, tmp_path, replace(RECIPE, **change))
    assert names(tmp_path) == ["epoch-0000.pt"]


def test_a_checkpoint_of_another_network_or_other_images(network, sets, tmp_path, monkeypatch):
    interrupt(network, sets, tmp_path, monkeypatch, 1)
    fewer = replace(sets[0].subset(range(900)), validation=sets[0].validation), sets[1]
    with pytest.raises(ValueError, match="is of a run with images '1,000 of fashion-mnist"):
        train(network, fewer, tmp_path)

    def other():
        model = network()
        model.stack[9] = torch.nn.Linear(128, 10, bias=False)
        return model

    with pytest.raises(ValueError, match="is of a run with network 'SmallNet, ") as error:
        train(other, sets, tmp_path)
    assert "\n" not in str(error.value)


def test_a_full_disk_leaves_the_older_checkpoints(network, sets, tmp_path, monkeypatch):
    calls = []

    def full(descriptor):
        calls.append(1)
        if len(calls) == 3:  # the beginning, one epoch, then the second
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError) as error:
            train(network, sets, tmp_path)
    path = tmp_path / "epoch-0002.pt"
    assert str(error.value) == f"cannot write the checkpoint {path}: No space left on device"
    assert names(tmp_path) == ["epoch-0000.pt", "epoch-0001.pt"]


def test_a_folder_that_cannot_be_written_is_found_before_training(network, sets, tmp_path):
    place = tmp_path / "file"
    place.write_text("in the way")
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(OSError, match="^cannot write the checkpoint .*epoch-0000.pt: "):
        fit(model, *sets, RECIPE, device="cpu", progress=False, checkpoint=place / "run")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_ctrl_c_says_how_to_go_on(network, sets, tmp_path, monkeypatch, undisturbed):
    with monkeypatch.context() as patch:
        stop_in_epoch(patch, 2, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt, match="epoch-0001.pt is whole, and the same call"):
            train(network, sets, tmp_path)
    assert same(train(network, sets, tmp_path), undisturbed(network))


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(
    network, sets, tmp_path, monkeypatch
):
    original = loop.make_criterion
    calls = []

    def spoiling(*arguments):
        criterion = original(*arguments)

        def spoiled(*given):
            calls.append(1)
            return criterion(*given) * (float("nan") if len(calls) == 15 else 1)

        return spoiled

    monkeypatch.setattr(loop, "make_criterion", spoiling)
    with pytest.raises(FloatingPointError, match="became nan at step 15, with learning rate 0.0"):
        train(network, sets, tmp_path)
    assert names(tmp_path) == ["epoch-0000.pt", "epoch-0001.pt"]
