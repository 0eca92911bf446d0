"""Two and four processes on the CPU, as torchrun starts them, against one."""

import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).with_name("distributed_run.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]


def start(*command, **options):
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=900, **options
    )
    assert done.returncode == 0, done.stderr
    return done


def train_here(folder):
    """In this process, which has torch already."""
    script = runpy.run_path(str(SCRIPT))
    torch.save(script["train"](folder), folder / "0-of-1.pt")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    train_here(folder)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    start(*TORCHRUN, 2, SCRIPT, folder)
    return folder


def read(folder, name):
    return torch.load(folder / f"{name}.pt")


KEPT = ("history", "tested")


def assert_equal(weights, others):
    assert weights.keys() == others.keys()
    for name, value in weights.items():
        assert torch.equal(value, others[name]), name


def assert_same(one, other):
    # Equal but for rounding: shares are summed in another order than the whole batch, in fp32
    # (2^-24 an operation), and fifteen steps of momentum carry the difference on.
    for name, value in one["weights"].items():
        torch.testing.assert_close(value, other["weights"][name], rtol=1e-4, atol=1e-6)
    assert one["tested"] == pytest.approx(other["tested"], rel=1e-5)
    for name, values in one["history"].items():
        assert values == pytest.approx(other["history"][name], rel=1e-5), name


def test_two_processes_take_the_steps_of_one(alone, together):
    """Gradients, and thus weights, are those of the whole batch, though the shares are uneven."""
    one, first, second = read(alone, "0-of-1"), *(read(together, f"{i}-of-2") for i in (0, 1))
    assert_same(one, first)
    assert_equal(first["weights"], second["weights"])
    assert first["history"] == second["history"] and first["tested"] == second["tested"]


def test_every_image_is_seen_once_an_epoch_by_one_of_them(alone, together):
    one, first, second = read(alone, "0-of-1"), *(read(together, f"{i}-of-2") for i in (0, 1))
    steps = [
        [images for training, images in found["seen"] if training] for found in (first, second)
    ]
    whole = [images for training, images in one["seen"] if training]
    assert len(whole) == len(steps[0]) == len(steps[1]) == 15
    for batch, mine, other in zip(whole, *steps, strict=True):
        assert batch == mine + other and abs(len(mine) - len(other)) <= 1
    for epoch in range(3):
        seen = sum(whole[5 * epoch : 5 * epoch + 5], [])
        assert len(seen) == len(set(seen)) == 162


def test_validation_and_test_images_are_shared_too(together):
    evaluated = 0
    for name in ("0-of-2", "1-of-2"):
        looks = [images for training, images in read(together, name)["seen"] if not training]
        assert len(looks.pop(0)) == 1  # one image, to see that the network takes it
        evaluated += sum(map(len, looks))
    assert evaluated == 3 * 39 + 77


def test_one_of_them_writes_the_checkpoints(together):
    assert {path.name for path in (together / "checkpoints").iterdir()} == {
        "epoch-0002.pt", "epoch-0003.pt",
    }  # fmt: skip


@pytest.mark.rare
def test_four_processes_go_on_from_one(alone, tmp_path):
    """Every image once, by one of the four, and the weights those of the run that was alone."""
    shutil.copytree(alone / "checkpoints", tmp_path / "checkpoints")
    (tmp_path / "checkpoints" / "epoch-0003.pt").unlink()
    start(*TORCHRUN, 4, SCRIPT, tmp_path)
    one, four = read(alone, "0-of-1"), [read(tmp_path, f"{rank}-of-4") for rank in range(4)]
    assert_same(one, four[0])
    for other in four[1:]:
        assert other["history"] == four[0]["history"] and other["tested"] == four[0]["tested"]
        assert_equal(four[0]["weights"], other["weights"])
    whole = [images for training, images in one["seen"] if training][-5:]
    shares = [[images for training, images in found["seen"] if training] for found in four]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert batch == sum(parts, [])
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len(set(sum(whole, []))) == 162


def test_one_process_goes_on_from_two(alone, together, tmp_path):
    shutil.copytree(together / "checkpoints", tmp_path / "checkpoints")
    (tmp_path / "checkpoints" / "epoch-0003.pt").unlink()
    train_here(tmp_path)
    found = read(tmp_path, "0-of-1")
    assert_same(read(alone, "0-of-1"), found)
    assert sum(training for training, _ in found["seen"]) == 5  # the third epoch alone


@pytest.mark.posix("SIGKILL")
def test_after_a_kill_in_an_epoch_its_steps_are_taken_again_to_the_same_bits(together, tmp_path):
    start(*TORCHRUN, 2, "--max-restarts", 1, SCRIPT, tmp_path, 12)  # in the third epoch
    for name in ("0-of-2", "1-of-2"):
        whole, restarted = read(together, name), read(tmp_path, name)
        assert [restarted[key] for key in KEPT] == [whole[key] for key in KEPT]
        assert_equal(restarted["weights"], whole["weights"])
        assert [images for training, images in restarted["seen"] if training] == [
            images for training, images in whole["seen"] if training
        ][-5:]


def command(*options):
    """A run of a few seconds, an epoch of one or two."""
    train = ["train", "resnet20", "--image-size", 8, "--epochs", 3, "--batch-size", 250]
    options = [*options, "-m", "cnnbook", *train, "--lr", 0.2, "--weights", "weights.pt"]
    return list(map(str, [*TORCHRUN, 2, *options]))


@pytest.fixture(scope="module")
def commanded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commanded")
    return folder, start(*command(), cwd=folder).stdout


def test_the_command_line_under_torchrun(commanded):
    _, output = commanded
    lines = [line for line in output.splitlines() if line.startswith("CifarResNet on ")]
    assert len(lines) == 1
    accuracy = float(output.partition("test accuracy ")[2].partition("%")[0])
    assert accuracy > 50  # three epochs on 8 pixels; a tenth is chance


@pytest.mark.rare
@pytest.mark.posix("SIGKILL")
def test_workers_killed_from_outside_are_restarted_and_the_run_ends_right(commanded, tmp_path):
    """One that only computes, and the one that writes: each time torchrun starts both anew."""
    with open(tmp_path / "errors", "w") as errors:
        torchrun = subprocess.Popen(
            command("--max-restarts", 2), cwd=tmp_path, stdout=errors, stderr=errors
        )
        try:
            for epochs, rank in ((1, 1), (2, 0)):
                kill_worker(torchrun, rank, tmp_path, epochs)
            assert torchrun.wait(timeout=900) == 0, (tmp_path / "errors").read_text()
        finally:
            torchrun.terminate()  # and with it its workers
            torchrun.wait()
    assert (tmp_path / "errors").read_text().count("(exitcode: -9)") == 2
    whole, restarted = (torch.load(path / "weights.pt") for path in (commanded[0], tmp_path))
    assert_equal(restarted, whole)


def kill_worker(torchrun, rank, folder, epochs):
    """With SIGKILL, in the epoch after so many."""
    while not list(folder.glob(f"runs/*/epoch-{epochs:04d}.pt")):
        assert torchrun.poll() is None, (folder / "errors").read_text()
        time.sleep(0.01)
    time.sleep(0.2)
    processes = subprocess.check_output(["ps", "-A", "-o", "ppid=,pid="], text=True)
    pairs = [tuple(map(int, line.split())) for line in processes.splitlines()]
    # They were started in the order of their ranks.
    os.kill(sorted(pid for parent, pid in pairs if parent == torchrun.pid)[rank], signal.SIGKILL)
