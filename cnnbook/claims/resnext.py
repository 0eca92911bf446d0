"""The notes' statement on ResNeXt."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import nn

from cnnbook import models, records
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.profiling import profile
from cnnbook.records import Record

# Top-1 error in % on ImageNet's validation images, one crop: Xie et al. 2017, table 3.
PUBLISHED = {"resnet50": 23.9, "resnext50_32x4d": 22.2}
# The same from the accuracies of torchvision's weights, IMAGENET1K_V1 of each.
TORCHVISION = {"resnet50": 100 - 76.13, "resnext50_32x4d": 100 - 77.618}
EQUAL = 0.05  # "at equal cost": parameters and multiply-adds differ by no more than this share


def _networks() -> dict[str, nn.Module]:
    with torch.device("meta"):  # a profile needs no weights
        return {name: models.create(name) for name in PUBLISHED}


def _structure(networks: dict[str, nn.Module], errors: dict[str, float]) -> pd.DataFrame:
    """A row per network: its 3×3 convolutions, how many are grouped, its cost and its errors."""
    rows = {}
    for name, network in networks.items():
        total = profile(network).total
        middle = [
            module
            for module in network.modules()
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3)
        ]
        rows[name] = {
            "3×3 convolutions": len(middle),
            "grouped": sum(module.groups > 1 for module in middle),
            "params": total.params,
            "flops": total.flops,
            "error, paper (%)": errors[name],
            "error, torchvision (%)": TORCHVISION[name],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def _by_cardinality(runs: Sequence[Record]) -> pd.DataFrame:
    """Test accuracy by number of paths: mean, smallest and largest over the seeds."""
    accuracy = pd.DataFrame(
        [(run.options["cardinality"], run.test_accuracy) for run in runs],
        columns=["paths", "accuracy"],
    )
    return accuracy.groupby("paths").accuracy.agg(["mean", "min", "max"])


def _our_runs(runs: Sequence[Record]) -> str:
    """What our own runs of nearly equal cost say, in words: are more paths better there too?"""
    found = _by_cardinality(runs)
    one, best = found.loc[1], found.drop(index=1).sort_values("mean").iloc[-1]
    if best["min"] > one["max"]:
        word = "agree"
    elif best["max"] < one["min"]:
        word = "disagree"
    else:
        word = "do not decide it"
    paths = int(best.name)
    return (
        f"Our own small networks of nearly equal cost ({runs[0].scale} scale, {runs[0].device}) "
        f"{word}: the best with several paths, {paths}, has a mean test accuracy of "
        f"{best['mean']:.1%} ({best['min']:.1%} to {best['max']:.1%} over the seeds), one path "
        f"{one['mean']:.1%} ({one['min']:.1%} to {one['max']:.1%})."
    )


@claim(
    "resnext/group-convolution",
    chapter="resnext",
    statement="Improving ResNets: ResNeXt (group convolution).",
    source="Lecture notes, ResNet (2015); Xie et al. 2017, section 3 and table 3",
)
def group_convolution(
    networks: dict[str, nn.Module] | None = None,
    errors: dict[str, float] | None = None,
    runs: Sequence[Record] | None = None,
) -> Evidence:
    """Whether ResNeXt-50 is ResNet-50 with grouped convolutions, equally costly, and better.

    Args:
        networks: "resnet50" and "resnext50_32x4d".
        errors: of the two, published, in %.
        runs: of the experiment "cardinality".
    """
    table = _structure(networks or _networks(), errors or PUBLISHED)
    runs = records.load("cardinality") if runs is None else runs
    if not runs:
        return Evidence(None, "No run of the experiment cardinality is on record.", table)
    plain, grouped = table.loc["resnet50"], table.loc["resnext50_32x4d"]
    cost = {measure: grouped[measure] / plain[measure] - 1 for measure in ("params", "flops")}
    is_grouped = plain["grouped"] == 0 and grouped["grouped"] == grouped["3×3 convolutions"] > 0
    is_better = all(grouped[name] < plain[name] for name in table if name.startswith("error"))
    return Evidence(
        holds=bool(is_grouped and max(map(abs, cost.values())) <= EQUAL and is_better),
        measured=f"{grouped['grouped']:.0f} of {grouped['3×3 convolutions']:.0f} 3×3 convolutions "
        f"of ResNeXt-50 are grouped, {plain['grouped']:.0f} of {plain['3×3 convolutions']:.0f} of "
        f"ResNet-50. Its parameters differ by {cost['params']:+.1%}, its multiply-adds by "
        f"{cost['flops']:+.1%}. Its published top-1 error on ImageNet is "
        f"{grouped['error, paper (%)']:.1f} % against {plain['error, paper (%)']:.1f} %; with "
        f"torchvision's first weights {grouped['error, torchvision (%)']:.1f} % against "
        f"{plain['error, torchvision (%)']:.1f} %.",
        table=table,
        caveat="The errors on ImageNet are cited, not measured here, and torchvision trained its "
        f"ResNeXt for 100 epochs, its ResNet for 90. {_our_runs(runs)} Equal multiply-adds are "
        "not equal time: at 101 layers the paper reports 0.95 s a mini-batch for ResNeXt, 0.70 s "
        "for ResNet (section 5.1).",
    )
