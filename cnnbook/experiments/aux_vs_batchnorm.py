"""GoogLeNet's auxiliary heads and batch normalisation: each off and on, two by two.

It decides whether what the heads gain gets smaller with batch normalisation, and
whether it gets so small that they are no longer needed. The first is the interval
of the gain without less the gain with; it is refuted by one below zero. The second
holds if the whole interval of the gain with batch normalisation is below a margin.
The margin is a third of what Szegedy et al. 2016 (table 3) gained as they
normalised the linear layer of a head, too, 21.6 to 21.2 % top-1 error
(`records.effects`); near it is a third of the 0.5 % that the heads are worth
without batch normalisation (Szegedy et al., CVPR 2015, section 5). Learning rates
are chosen by runs of two epochs.
"""

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
STANDARD = Recipe(
    epochs=6,
    batch_size=64,
    optimizer="adamw",
    weight_decay=0.01,
    warmup_epochs=0.5,
    image_size=64,
    precision="fp32",
)
FULL = Recipe(
    epochs=8,
    batch_size=256,
    optimizer="adamw",
    lr=1e-3,
    warmup_epochs=1.0,
    augment=("flip", "crop"),
    image_size=64,
)
# scale: recipe, learning rates to choose from, data, images, share of the channels
SCALES = {
    "quick": (QUICK, (), "fashion-mnist-mini", 4000, 0.25),
    "standard": (STANDARD, (5e-4, 1e-3, 2e-3), "fashion-mnist", 20_000, 0.25),
    "full": (FULL, (), "fashion-mnist", None, 1.0),
}


@experiment(
    "aux-vs-batchnorm",
    title="GoogLeNet with and without auxiliary heads, each with and without batch "
    "normalisation: do the heads still help once activations are normalised?",
    seeds={"full": 3, "standard": 10, "quick": 3},
)
def aux_vs_batchnorm(scale: str) -> list[Trial]:
    recipe, rates, data, images, width = SCALES[scale]
    return [
        Trial(
            arm=arm,
            architecture="googlenet",
            options={
                "in_channels": 1,
                "num_classes": 10,
                "width": width,
                "batch_norm": batch_norm,
                "aux_logits": heads,
            },
            data=data,
            recipe=recipe,
            train_images=images,
            rates=rates,
            choosing_epochs=2,
        )
        for arm, (batch_norm, heads) in ARMS.items()
    ]
