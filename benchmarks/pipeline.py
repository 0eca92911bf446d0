"""Images a second: how `fit` gets its batches against torchvision's `DataLoader` with transforms.

The same images come out of both, as float batches of zero mean and unit deviation, at random
shifted and mirrored and resized to the side asked. Ours: bytes in memory, changed a batch at a
time. The peer: torchvision's transforms on a PIL image at a time in a `DataLoader`, without workers
and with two of them; the faster one counts.

The goal of five times is missed at 224 pixels, where it is 4.4 to 4.6, and was once at 96, where it
is 4.3 to 7.6. What bounds it is torch's own antialiased resize (`F.interpolate`). On one core, for
128 images (best of 7, ms):

    pixels  flip  crop  normalise  resize  the last two together
        32  0.10  0.41       0.02    0.34   0.36
        96  0.10  0.41       0.02    1.89   1.88
       224  0.10  0.41       0.02    7.85   7.91

So at 224 all but 0.5 ms of 8.4 are the resize. It is as fast for images one after another in
memory as for channels last, in parts of 4 or 16 images no faster, and without `antialias` it takes
9.5 ms. A resize of bytes, or as a product of matrices, would round differently: no recorded run
that resizes could then be repeated to the bit.
"""

from __future__ import annotations

import math

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks import _harness
from cnnbook import Recipe, data
from cnnbook.data import ImageSet
from cnnbook.training.images import reader
from cnnbook.training.loop import batches
from cnnbook.training.recipe import make_augment, make_normalise

CPU = torch.device("cpu")
BATCH = 128
SIDES = (32, 96, 224)
IMAGES = {32: 4096, 96: 1024, 224: 512}  # in a turn


class AsPil(Dataset):
    """An image set as torchvision's data sets give theirs: PIL images, one at a time."""

    def __init__(self, images: ImageSet, transform: transforms.Compose):
        self.pixels = images.images.squeeze(1).numpy()
        self.labels, self.transform = images.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[i])), self.labels[i]


def theirs(images: ImageSet, side: int, workers: int) -> DataLoader:
    mean, std = images.mean_std()
    transform = transforms.Compose([
        transforms.RandomHorizontalFlip(),
        transforms.RandomCrop(28, padding=3),
        transforms.Resize((side, side)),
        transforms.ToTensor(),
        transforms.Normalize(mean.tolist(), std.tolist()),
    ])  # fmt: skip
    return DataLoader(
        AsPil(images, transform), BATCH, shuffle=True, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip


def ours(images: ImageSet, side: int):
    recipe = Recipe(batch_size=BATCH, image_size=side, augment=("flip", "crop"))
    normalise = make_normalise(images, recipe, CPU)
    source, generator = reader(images, CPU), torch.Generator().manual_seed(0)

    def epoch() -> None:
        for batch, _, _ in batches(source, recipe.batch_size, make_augment(recipe), generator):
            normalise(batch)

    return epoch


def measure(report: _harness.Report, quick: bool) -> None:
    least = math.inf
    for name in ("fashion-mnist-mini",) if quick else ("fashion-mnist-mini", "fashion-mnist"):
        try:
            train, _ = data.load(name, download=False)
        except data.DataError as error:
            print(f"{name} is left out: {error}")
            continue
        for side in SIDES[:1] if quick else SIDES:
            images = train.subset(range(min(len(train), 256 if quick else IMAGES[side])))
            calls = {"fit": ours(images, side)}
            for workers in (0, 2):
                loader = theirs(images, side, workers)
                calls[f"DataLoader, {workers} workers"] = lambda each=loader: [None for _ in each]
            seconds = _harness.take_turns(calls, 2 if quick else 7)
            for source, spent in seconds.items():
                gain = _harness.ratios(spent, seconds["fit"])
                report.rows.append(
                    {
                        "images": f"{name}, {len(images):,}",
                        "pixels": side,
                        "source": source,
                        "images/s": _harness.Spread.of([len(images) / s for s in spent]),
                        "fit's speed to it": gain,
                    }
                )
                if source != "fit":
                    least = min(least, gain.median)
    report.goal("images/s to torchvision's DataLoader, smallest ratio", least, 5, True)


if __name__ == "__main__":
    _harness.main("pipeline", measure)
