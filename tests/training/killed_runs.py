"""Train, be killed with SIGKILL at a random moment, go on; again and again.

    python killed_runs.py FOLDER KILLS

Prints a JSON list: for each run that was killed and went on until it ended, how often it was
killed, after how many epochs each time, and whether it ended as the run that was never killed.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch._dynamo  # an optimiser's first step loads it, for seconds: once here for all children
from torch import nn

from cnnbook import data
from cnnbook.data import ImageSet
from cnnbook.training import Recipe, fit

RECIPE = Recipe(
    epochs=5, batch_size=50, augment=("flip", "crop"), warmup_epochs=1, label_smoothing=0.1, ema=0.9
)


def train(whole: ImageSet, test: ImageSet, folder: Path | None, result: Path) -> None:
    validation = whole.validation.subset(range(100))
    images = replace(whole.subset(range(400)), validation=validation)
    torch.manual_seed(5)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(256, 10),
    )  # fmt: skip
    run = fit(
        model, images, test.subset(range(100)), RECIPE,
        device="cpu", progress=False, checkpoint=folder,
    )  # fmt: skip
    history = run.history.drop(columns=["seconds", "images_per_second"])
    tested = [run.test_loss, run.test_accuracy]
    torch.save([run.model.state_dict(), history.to_dict("list"), tested], result)


def start(sets: tuple[ImageSet, ImageSet], folder: Path | None, result: Path) -> int:
    # A child starts from what is loaded here: quick, and no thread runs here that it would lack.
    if pid := os.fork():
        return pid
    train(*sets, folder, result)
    os._exit(0)


def same(one: Path, other: Path) -> bool:
    (weights, *rest), (weights_too, *rest_too) = torch.load(one), torch.load(other)
    equal = all(torch.equal(weights[name], weights_too[name]) for name in weights | weights_too)
    return equal and rest == rest_too


def epochs_on_disk(folder: Path) -> int:
    return max((int(p.stem[6:]) for p in folder.glob("epoch-*.pt")), default=-1)


def killed(pid: int, folder: Path, epochs: int, seconds: float) -> bool:
    """Kill the child so many seconds after it has written so many epochs, unless it ends before."""
    while epochs_on_disk(folder) < epochs:
        if os.waitpid(pid, os.WNOHANG) == (pid, 0):
            return False
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1] != 0


if __name__ == "__main__":
    root, kills = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    chance, found = random.Random(0), []
    sets = data.load("fashion-mnist-mini")
    began = time.perf_counter()
    assert os.waitpid(start(sets, None, root / "never.pt"), 0)[1] == 0
    seconds = time.perf_counter() - began
    while sum(len(run["killed_after"]) for run in found) < kills:
        folder, result = root / f"run{len(found)}", root / f"run{len(found)}.pt"
        # A moment is drawn as an epoch and a part of one: on a busy machine too, where seconds
        # mean little, kills fall before, between and after the checkpoints.
        after = []
        for epochs in sorted(chance.choices(range(-1, RECIPE.epochs + 1), k=3)):
            delay = chance.uniform(0, seconds / RECIPE.epochs / 2)
            if not killed(start(sets, folder, result), folder, epochs, delay):
                break
            after.append(epochs_on_disk(folder))
        else:
            assert os.waitpid(start(sets, folder, result), 0)[1] == 0
        found.append({"killed_after": after, "same": same(root / "never.pt", result)})
    print(json.dumps(found))
