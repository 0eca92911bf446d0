"""The notes' four statements on AlexNet.

The last three are checked on both networks of that name: the one-GPU network that
the lecture draws, on its 227×227 image, and the two-GPU one of the paper, on
224×224.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from cnnbook import models
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.profiling import Profile, profile
from cnnbook.profiling.rows import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    import pandas as pd

NOTES = "Lecture notes, AlexNet (2012)"
MOST, NEARLY_ALL = 0.5, 0.9  # what these words mean as a share
IMAGES = {"torchvision": (3, 227, 227), "paper": (3, 224, 224)}


def _profiles(networks: dict[str, nn.Module] | None) -> dict[str, Profile]:
    if networks is None:
        networks = {
            variant: models.on_meta(models.alexnet, variant=variant)
            for variant in IMAGES
        }
    return {
        variant: profile(network, IMAGES[variant])
        for variant, network in networks.items()
    }


def _shares(profiles: dict[str, Profile], measure: str, part) -> pd.DataFrame:
    """A row per variant: the measure's total, and how much of it lies in
    ``part(table)``."""
    import pandas as pd

    rows = {
        variant: {
            measure: part(p.table)[measure].sum(),
            "total": p.table[measure].sum(),
        }
        for variant, p in profiles.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("variant")
    return table.assign(share=table[measure] / table["total"])


def _in_words(shares: pd.DataFrame) -> str:
    return " and ".join(
        f"{share:.1%} in the {name} variant"
        for name, share in shares["share"].items()
    )


@claim(
    "alexnet/two-gpus",
    chapter="alexnet",
    statement="Model split over two GPUs.",
    source=f"{NOTES}; Krizhevsky et al. 2012, section 3.2 and figure 2",
)
def two_gpus(network: models.AlexNet2012 | None = None) -> Evidence:
    if network is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = models.AlexNet2012()
    network = network.eval()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = network(images)
    run = models.run_split(network, images, labels=torch.tensor([0, 1]))
    difference = ((whole - run.logits).abs().max() / whole.abs().max()).item()
    # The sums are in another order; how far off that is depends on the machine.
    same = difference < 1e-5
    how = (
        "up to rounding" if same else f"only within {difference:.1g} of the largest"
    )
    crossing = run.traffic.loc[list(models.alexnet_split.LAYERS)]
    crossed = crossing.index[crossing["forward"] > 0]
    return Evidence(
        holds=same and 0 < len(crossed) < len(crossing),
        measured="Two halves, each in a process of its own, give the single "
        f"device's logits {how}. "
        f"Activations cross between them before {len(crossed)} of {len(crossing)} "
        f"layers only ({', '.join(crossed)}): {crossing['forward'].sum():,} per "
        f"image forward, {crossing['backward'].sum():,} gradients back.",
        table=run.traffic,
        method="The network is that of 2012. The later one-GPU network of the same "
        "name, which torchvision has, is not split.",
    )


@claim(
    "alexnet/early-memory",
    chapter="alexnet",
    statement="Most of the memory usage is in the early convolution layers.",
    source=NOTES,
)
def early_memory(networks: dict[str, nn.Module] | None = None) -> Evidence:
    profiles = _profiles(networks)
    shares = _shares(profiles, "memory_kb", lambda t: t[t.kind == "conv"].iloc[:2])
    total = profiles["torchvision"].total
    batch = total.params * BYTES_PER_ELEMENT / 1024 / total.memory_kb
    return Evidence(
        holds=bool((shares["share"] > MOST).all()),
        measured="Of the memory of all outputs, those of the first two "
        f"convolutions take {_in_words(shares)}.",
        table=shares,
        caveat="This measure counts outputs, not weights. The torchvision "
        f"variant's weights take as much memory as its outputs for {batch:.0f} "
        "images.",
    )


@claim(
    "alexnet/fc-params",
    chapter="alexnet",
    statement="Nearly all of the parameters are in the fc layers.",
    source=NOTES,
)
def fc_params(networks: dict[str, nn.Module] | None = None) -> Evidence:
    shares = _shares(_profiles(networks), "params", lambda t: t[t.kind == "linear"])
    return Evidence(
        holds=bool((shares["share"] > NEARLY_ALL).all()),
        measured="Of the parameters, the three linear layers hold "
        f"{_in_words(shares)}.",
        table=shares,
    )


@claim(
    "alexnet/conv-flops",
    chapter="alexnet",
    statement="Most floating-point ops occur in the convolution layers.",
    source=NOTES,
)
def conv_flops(networks: dict[str, nn.Module] | None = None) -> Evidence:
    shares = _shares(_profiles(networks), "flops", lambda t: t[t.kind == "conv"])
    return Evidence(
        holds=bool((shares["share"] > MOST).all()),
        measured="Of the multiply-adds, the five convolutions do "
        f"{_in_words(shares)}.",
        table=shares,
    )
