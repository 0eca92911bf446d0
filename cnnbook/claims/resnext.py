"""The notes' statement on ResNeXt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
from torch import nn

from cnnbook import records
from cnnbook.claims._deciding import how, recorded, rules_out, undecided
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.claims._networks import build
from cnnbook.models.published import published_accuracy
from cnnbook.profiling import profile
from cnnbook.records import Record, published
from cnnbook.records.effects import effect

# Top-1 error in % on ImageNet's validation images, one crop: Xie et al. 2017,
# table 3.
PUBLISHED = {
    "resnet50": published.value("xie2016", "ResNet-50, 1×64d"),
    "resnext50_32x4d": published.value("xie2016", "ResNeXt-50, 32×4d"),
}
# "At equal cost": parameters and multiply-adds differ by no more than this share.
EQUAL = 0.05


def _structure(
    networks: dict[str, nn.Module], errors: dict[str, float]
) -> pd.DataFrame:
    """A row per network: its 3×3 convolutions, how many are grouped, its cost and
    its errors."""
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
            "error, torchvision (%)": 100 - published_accuracy(name),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def by_doubling(runs: Sequence[Record]) -> records.Difference:
    """Points of test accuracy that each doubling of the paths adds: a slope a
    seed."""
    places = {run.arm: math.log2(run.options["cardinality"]) for run in runs}
    return replace(records.slope(runs, places), unit="points a doubling")


def _our_runs(runs: Sequence[Record]) -> tuple[bool | None, str]:
    """Whether more paths are better in our own runs of nearly equal cost too, and
    what they say in words."""
    found = by_doubling(runs)
    rising, sought = found.decides("higher"), effect("cardinality")
    word = {True: "agree", False: "disagree", None: "do not decide it"}[rising]
    left = ""
    if rising is None:
        word = "gain nothing like it" if rules_out(found, sought) else word
        left = " " + undecided((found, sought), whose="the paper's ")
    return rising, (
        f"Our own small networks of nearly equal cost {word}: a doubling of the "
        f"paths adds {replace(found, unit='points')} of test accuracy. This is at "
        f"{how(runs)}.{left}"
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
    """Whether ResNeXt-50 is ResNet-50 with grouped convolutions, equally costly,
    and better.

    Args:
        networks: "resnet50" and "resnext50_32x4d".
        errors: of the two, published, in %.
        runs: of the experiment "cardinality".
    """
    table = _structure(networks or build(*PUBLISHED), errors or PUBLISHED)
    runs = recorded("cardinality") if runs is None else runs
    if not runs:
        return Evidence(
            None, "No run of the experiment cardinality is on record.", table
        )
    plain, grouped = table.loc["resnet50"], table.loc["resnext50_32x4d"]
    cost = {
        measure: grouped[measure] / plain[measure] - 1
        for measure in ("params", "flops")
    }
    is_grouped = (
        plain["grouped"] == 0
        and grouped["grouped"] == grouped["3×3 convolutions"] > 0
    )
    is_better = all(
        grouped[name] < plain[name] for name in table if name.startswith("error")
    )
    agree, ours = _our_runs(runs)
    return Evidence(
        holds=bool(
            is_grouped and max(map(abs, cost.values())) <= EQUAL and is_better
        ),
        measured=f"{grouped['grouped']:.0f} of {grouped['3×3 convolutions']:.0f} "
        f"3×3 convolutions of ResNeXt-50 are grouped, {plain['grouped']:.0f} of "
        f"{plain['3×3 convolutions']:.0f} of ResNet-50. ResNeXt-50's parameters "
        f"differ from ResNet-50's by {cost['params']:+.1%}, its multiply-adds by "
        f"{cost['flops']:+.1%}. Its published top-1 error on ImageNet is "
        f"{grouped['error, paper (%)']:.1f} % "
        f"against {plain['error, paper (%)']:.1f} %; with torchvision's first "
        f"weights {grouped['error, torchvision (%)']:.1f} % against "
        f"{plain['error, torchvision (%)']:.1f} %.{f' {ours}' if agree else ''}",
        table=table,
        caveat=None if agree else ours,
        method="The errors on ImageNet are cited, and torchvision trained its "
        "ResNeXt for 100 epochs, its ResNet for 90. Equal multiply-adds are not "
        "equal time: at 101 layers the paper reports 0.95 s a mini-batch for "
        "ResNeXt, 0.70 s for ResNet (section 5.1).",
    )
