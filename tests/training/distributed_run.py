"""Train as one of several processes, or alone, and save what came of it.

torchrun --nproc-per-node 2 distributed_run.py FOLDER [STEP]

With a step, the last process is killed in it the first time that torchrun starts it.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from cnnbook.data import ImageSet
from cnnbook.training import Recipe, distributed, fit

# 162 images in batches of at most 40: five of 32 or 33, which two processes cannot share evenly.
RECIPE = Recipe(
    epochs=3, batch_size=40, lr=0.02, augment=("flip",), warmup_epochs=1, ema=0.5, validation=0.2
)


def grey_images() -> ImageSet:
    """Each image is of one grey level of its own, by which it is known again."""
    levels = torch.arange(201, dtype=torch.uint8)
    images = levels[:, None, None, None].expand(-1, 1, 4, 4).contiguous()
    return ImageSet(images, levels.long() // 41, tuple("abcde"), "grey")


def train(folder: Path, killed_at: int | None = None) -> dict:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 5))
    seen = []

    def look(model, inputs):
        seen.append((model.training, inputs[0][:, 0, 0, 0].tolist()))
        rank, size = distributed.world()
        if rank == size - 1 and sum(training for training, _ in seen) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    model.register_forward_pre_hook(look)
    images = grey_images()
    run = fit(
        model, images, images.subset(range(77)), RECIPE,
        device="cpu", progress=False, checkpoint=folder / "checkpoints",
    )  # fmt: skip
    history = run.history.drop(columns=["seconds", "images_per_second"]).to_dict("list")
    tested = [run.test_loss, run.test_accuracy]
    weights = run.model.state_dict()
    return {"weights": weights, "history": history, "tested": tested, "seen": seen}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.process_group("auto"):
        is_first_time = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        killed_at = int(sys.argv[2]) if len(sys.argv) > 2 and is_first_time else None
        found = train(Path(sys.argv[1]), killed_at)
        rank, size = distributed.world()
    torch.save(found, Path(sys.argv[1]) / f"{rank}-of-{size}.pt")
