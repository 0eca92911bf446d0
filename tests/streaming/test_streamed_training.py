"""The same recipes, through the same `fit`, from files."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cnnbook import data
from cnnbook.data.imagestream import default_workers
from cnnbook.training import Recipe, fit

SCRIPT = Path(__file__).with_name("streamed_run.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
RECIPE = Recipe(epochs=2, batch_size=25, augment=("flip", "crop"), label_smoothing=0.1)

spec = importlib.util.spec_from_file_location("streamed_run", SCRIPT)
streamed_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(streamed_run)


def train(model, sets, recipe=RECIPE, **options):
    return fit(model, *sets, recipe, device="cpu", progress=False, **options)


def assert_same(one, other):
    times = ["seconds", "images_per_second"]
    assert one.history.drop(columns=times).equals(other.history.drop(columns=times))
    assert (one.test_loss, one.test_accuracy) == (other.test_loss, other.test_accuracy)
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name


@pytest.mark.parametrize("workers", [0, 1])
def test_a_streamed_folder_trains_to_the_bits_of_one_in_memory(workers, network, folder, load):
    name = f"imagefolder:{folder}"
    held = train(network(), data.load(name, image_size=16, progress=False))
    streamed = train(network(), load(name, stream=True, workers=workers))
    assert_same(held, streamed)
    assert held.waiting == 0 and "waiting" not in str(held)
    assert 0 < streamed.waiting < 1
    assert f", {streamed.waiting:.0%} of the time waiting for data" in str(streamed)


def test_a_stopped_run_goes_on_to_the_same_bits(network, shards, load, tmp_path):
    sets = load(f"webdataset:{shards}")
    whole = train(network(), sets, checkpoint=tmp_path)
    (tmp_path / "epoch-0002.pt").unlink()
    waited = torch.load(tmp_path / "epoch-0001.pt")["progress"]["waited"]
    again = train(network(), load(f"webdataset:{shards}", workers=0), checkpoint=tmp_path)
    assert_same(whole, again)
    assert again.waiting * again.history.seconds.sum() > waited > 0


def test_every_image_once_an_epoch_in_a_new_order(network, shards, load):
    model = network()
    seen = streamed_run.watch(model)
    sets = load(f"webdataset:{shards}")
    train(model, sets, Recipe(epochs=2, batch_size=25))
    steps = [images for training, images in seen if training]
    first, second = sum(steps[:5], []), sum(steps[5:], [])
    assert len(steps) == 10 and len(set(first)) == 120
    assert sorted(first) == sorted(second) and first != second
    evaluated = sum((images for training, images in seen[1:] if not training), [])
    assert len(evaluated) == 40 + 40 + 50 and not set(evaluated) & set(first)


def test_what_does_not_fit_together_is_found_before_training(network, shards, load):
    train_set, test_set = load(f"webdataset:{shards}")
    with pytest.raises(ValueError, match="batch_size 121 is more than the 120 training images"):
        train(network(), (train_set, test_set), Recipe(batch_size=121))
    grey = data.load("fashion-mnist-mini")[1]
    with pytest.raises(ValueError, match="the test images must have the channels and classes"):
        train(network(), (train_set, grey))


def test_an_image_damaged_while_training_is_named(network, own_shards, load):
    sets = load(f"webdataset:{own_shards}")
    path = own_shards / "train-000003.tar"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(data.DataError, match=f"{path} cannot be read as an image"):
        train(network(), sets, Recipe(normalise=False, batch_size=25))


@pytest.fixture(scope="module")
def runs(shards, tmp_path_factory):
    """What each process of one and of two saved."""
    folder = tmp_path_factory.mktemp("runs")
    torch.save(streamed_run.train(shards, folder), folder / "0-of-1.pt")
    shutil.rmtree(folder / "run")
    command = [*TORCHRUN, "2", SCRIPT, shards, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return {path.stem: torch.load(path) for path in folder.glob("*.pt")} | {"folder": folder}


def test_two_processes_take_the_steps_of_one(runs):
    one = runs["0-of-1"]
    for other in (runs["0-of-2"], runs["1-of-2"]):
        for name, value in one["weights"].items():
            torch.testing.assert_close(value, other["weights"][name], rtol=1e-4, atol=1e-6)
        assert one["tested"] == pytest.approx(other["tested"], rel=1e-5)
        for name, values in one["history"].items():
            assert values == pytest.approx(other["history"][name], rel=1e-5), name


def test_two_processes_share_each_batch(runs):
    whole, *shares = (
        [images for training, images in runs[name]["seen"] if training]
        for name in ("0-of-1", "0-of-2", "1-of-2")
    )
    assert len(whole) == len(shares[0]) == len(shares[1]) == 10
    for batch, mine, other in zip(whole, *shares, strict=True):
        assert batch == mine + other and len(mine) == len(other)
    for epoch in (whole[:5], whole[5:]):
        assert len(set(sum(epoch, []))) == 120


def test_one_of_two_processes_writes_the_log(runs):
    # One by the process alone before, one by the first of the two.
    assert len(list((runs["folder"] / "log").iterdir())) == 2


@pytest.mark.parametrize("form", ["webdataset", "imagefolder"])
def test_the_command_line(form, shards, folder, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"webdataset:{shards}" if form == "webdataset" else f"imagefolder:{folder}"
    arguments = ["train", "resnet18", "--data", name, "--epochs", 1, "--image-size", 32]
    arguments += ["--batch-size", 40]
    arguments += ["--workers", default_workers()] + ["--stream"] * (form == "imagefolder")
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith(f"ResNet on {name}: 1 epoch in ")
    assert first.endswith("% of the time waiting for data")
    assert second.startswith("test accuracy ")


def test_the_command_line_says_what_is_wrong_in_one_line(own_shards, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = own_shards / "train-000001.tar"
    path.write_bytes(path.read_bytes()[:5000])
    done = call("train", "resnet18", "--data", f"webdataset:{own_shards}")
    assert done.returncode == 2 and done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"cnnbook: {path} is damaged (") and "Traceback" not in done.stderr
