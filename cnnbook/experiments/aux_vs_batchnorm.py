"""GoogLeNet's auxiliary heads and batch normalisation: each off and on, two by two."""

from __future__ import annotations

from cnnbook.experiments._mechanism import Trial, experiment
from cnnbook.training import Recipe

# Each condition's name, and whether it has batch normalisation and auxiliary heads.
ARMS = {
    "neither": (False, False),
    "heads": (False, True),
    "batch-norm": (True, False),
    "both": (True, True),
}
QUICK = Recipe(epochs=6, batch_size=64, optimizer="adamw", lr=1e-3, image_size=64)
FULL = Recipe(
    epochs=8, batch_size=256, optimizer="adamw", lr=1e-3, warmup_epochs=1.0,
    augment=("flip", "crop"), image_size=64,
)  # fmt: skip


@experiment(
    "aux-vs-batchnorm",
    title="GoogLeNet with and without auxiliary heads, each with and without batch normalisation: "
    "do the heads still help once activations are normalised?",
)
def aux_vs_batchnorm(scale: str) -> list[Trial]:
    full = scale == "full"
    return [
        Trial(
            arm=arm,
            architecture="googlenet",
            options={
                "in_channels": 1,
                "num_classes": 10,
                "width": 1.0 if full else 0.25,  # a quarter of the channels trains in 30 s
                "batch_norm": batch_norm,
                "aux_logits": heads,
            },
            data="fashion-mnist" if full else "fashion-mnist-mini",
            recipe=FULL if full else QUICK,
            train_images=None if full else 4000,
        )
        for arm, (batch_norm, heads) in ARMS.items()
    ]
