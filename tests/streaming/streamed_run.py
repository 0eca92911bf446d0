"""Train from shards as one of several processes, or alone, and save what came of it.

torchrun --nproc-per-node 2 streamed_run.py SHARDS FOLDER
"""

import faulthandler
import sys
import zlib
from pathlib import Path

import torch
from torch import nn

from cnnbook import data
from cnnbook.training import Recipe, distributed, fit

# 120 images in batches of at most 25: five of 24, of which two processes take 12 each.
RECIPE = Recipe(epochs=2, batch_size=25, lr=0.02, augment=("flip",), ema=0.5)


def watch(model: nn.Module) -> list[tuple[bool, list[int]]]:
    """What the model will be given: training or not, and a check sum of each image."""
    seen = []

    def look(model, inputs):
        # Mirrored or not, an image keeps its set of pixels.
        images = inputs[0].flatten(1).sort().values.numpy()
        seen.append((model.training, [zlib.crc32(image.tobytes()) for image in images]))

    model.register_forward_pre_hook(look)
    return seen


def train(shards: str, folder: Path) -> dict:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    seen = watch(model)
    sets = data.load(f"webdataset:{shards}", image_size=16, progress=False, workers=1)
    run = fit(
        model, *sets, RECIPE,
        device="cpu", progress=False, checkpoint=folder / "run", log=folder / "log",
    )  # fmt: skip
    history = run.history.drop(columns=["seconds", "images_per_second"]).to_dict("list")
    weights = run.model.state_dict()
    return {"weights": weights, "history": history, "tested": run.test_loss, "seen": seen}


if __name__ == "__main__":
    faulthandler.dump_traceback_later(600, exit=True)  # a run that hangs says where
    torch.set_num_threads(1)
    with distributed.process_group("auto"):
        found = train(sys.argv[1], Path(sys.argv[2]))
        rank, size = distributed.world()
    torch.save(found, Path(sys.argv[2]) / f"{rank}-of-{size}.pt")
