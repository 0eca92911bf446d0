"""Statements of the papers after 2017, on what the notes do not speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import torch
from torch import nn

from cnnbook import models
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.models.convnext_ladder import LADDER
from cnnbook.models.densenet import DenseNet
from cnnbook.models.efficientnet import SCALES, EfficientNet, MBConv
from cnnbook.models.mobilenet import InvertedResidual
from cnnbook.models.published import published_accuracy
from cnnbook.profiling import profile
from cnnbook.records.published import ACCURACY, value

DENSENET201 = (6, 12, 48, 32)  # layers of each block: Huang et al. 2017, table 1
SIMILAR = 1.0  # points of top-1 error within which two networks are "similar"
CONVNEXT = "Liu et al. 2022"
# Billion multiply-adds of each step: Liu et al. 2022, table 10.
TABLE_10 = dict(
    zip(
        LADDER,
        (
            4.09,
            4.53,
            4.42,
            2.35,
            5.27,
            4.64,
            4.07,
            4.15,
            4.15,
            4.15,
            4.15,
            4.46,
            4.49,
        ),
        strict=True,
    )
)
WIDE = 72  # channels to write, from which on 9 C' / (9 + C') is 8 or more
# Steps whose figure there contradicts the paper's own words and its table 11.
PRINTED_OTHERWISE = ("layer norm", "ConvNeXt-T")
ROUNDING = 0.0051  # of a figure with two decimals
APPROXIMATE = 0.15  # share by which "approximately" may miss


@claim(
    "after/densenet-parameters",
    chapter="after",
    statement="A DenseNet-201 with 20M parameters model yields similar "
    "validation error as a 101-layer ResNet with more than 40M parameters.",
    source="Huang et al. 2017, section 4.4",
)
def densenet_parameters(
    networks: Mapping[str, nn.Module] | None = None,
    errors: Mapping[str, float] | None = None,
) -> Evidence:
    """Whether DenseNet-201 has so few parameters, and errs as often as ResNet-101.

    Args:
        networks: "densenet201" and "resnet101".
        errors: top-1, in %, of the two by torchvision's weights.
    """
    networks = networks or {
        "densenet201": models.on_meta(DenseNet, DENSENET201),
        "resnet101": models.on_meta(models.resnet101),
    }
    errors = errors or {name: 100 - published_accuracy(name) for name in networks}
    rows = {}
    for name, network in networks.items():
        total = profile(network).total
        rows[name] = {
            "params": total.params,
            "flops": total.flops,
            "memory_kb": total.memory_kb,
            "error, torchvision (%)": errors[name],
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    dense, res = table.loc["densenet201"], table.loc["resnet101"]
    # Of the errors as they are shown.
    its, other = (round(row["error, torchvision (%)"], 2) for row in (dense, res))
    apart = abs(its - other)
    own = value("huang2017", "DenseNet-201")
    return Evidence(
        holds=bool(
            dense.params < 21e6 and res.params > 40e6 and apart <= SIMILAR,
        ),
        measured=f"DenseNet-201 has {dense.params / 1e6:.1f} million parameters, "
        f"ResNet-101 {res.params / 1e6:.1f} million. With torchvision's weights "
        f"their top-1 errors are {its:.2f} % and {other:.2f} %, {apart:.2f} points "
        f"apart; the paper has {own} % for its DenseNet (table 3, one crop). "
        f"DenseNet-201 does {dense.flops / res.flops:.0%} of ResNet-101's "
        "multiply-adds.",
        table=table,
        method=f"Similar is within {SIMILAR:g} point of error. The paper draws its "
        "ResNet in a figure and prints no error; torchvision's two sets of weights "
        "come from two trainings.",
    )


def _gated(network: nn.Module) -> int:
    """Numbers that all gates of a network read of an image, and write."""
    seen = 0

    def count(module, inputs, output):
        nonlocal seen
        seen += output[0].numel()

    kind = models.SqueezeExcitation
    gates = [module for module in network.modules() if isinstance(module, kind)]
    hooks = [gate.register_forward_hook(count) for gate in gates]
    network.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    for hook in hooks:
        hook.remove()
    return seen


@claim(
    "after/se-cost",
    chapter="after",
    statement="SE-ResNet-50 requires ∼3.87 GFLOPs, corresponding to a 0.26% "
    "relative increase over the original ResNet-50.",
    source="Hu et al. 2018, section 4",
)
def se_cost(networks: Mapping[str, nn.Module] | None = None) -> Evidence:
    """What the gates add, by their layers alone and with the means and products."""
    networks = networks or {
        "resnet50": models.on_meta(models.resnet50),
        "se_resnet50": models.on_meta(models.se_resnet50),
    }
    total = {name: profile(network).total for name, network in networks.items()}
    plain, gated = total["resnet50"], total["se_resnet50"]
    numbers = _gated(networks["se_resnet50"])
    layers = gated.flops - plain.flops
    shares = [layers / plain.flops, (layers + 2 * numbers) / plain.flops]
    more = gated.params / plain.params - 1
    table = pd.DataFrame(
        {
            "added": [layers, layers + numbers, layers + 2 * numbers],
            "share": [(layers + n * numbers) / plain.flops for n in range(3)],
        },
        index=["the small layers", "and the means", "and the products"],
    )
    return Evidence(
        holds=shares[0] <= 0.0026 <= shares[1],
        measured=f"The small layers add {shares[0]:.2%} to ResNet-50's "
        "multiply-adds; with each addition of the means and each product of a "
        f"channel and its weight it is {shares[1]:.2%}. The paper's share lies "
        "between.",
        table=table,
        method=f"In parameters it is {more:.1%} more, and in time more than in "
        "multiply-adds: the paper's own step of training takes 209 ms against "
        "190 ms. Its 0.26 % is the difference of two rounded figures, 3.87 and "
        "3.86.",
        caveat="The total is another: the paper's ResNet-50 halves the side in the "
        "first 1×1 convolution of a stage and does 3.86 billion multiply-adds; "
        "this book's, like torchvision's, halves it in the 3×3 and does "
        f"{plain.flops / 1e9:.2f}.",
    )


def separable_pairs(network: nn.Module) -> pd.DataFrame:
    """A row per block: its depthwise and its last convolution against a full one.

    The full convolution reads and writes the same channels, by 3×3.
    """
    table, rows = profile(network).table, {}
    for name, block in network.named_modules():
        if isinstance(block, InvertedResidual):
            convolutions = {
                f"{name}.{path}": module
                for path, module in block.named_modules()
                if isinstance(module, nn.Conv2d)
            }
            *_, depthwise, pointwise = convolutions
            layer = convolutions[pointwise]
            full = table.output[pointwise][1] * table.output[pointwise][2]
            full *= 9 * layer.in_channels * layer.out_channels
            two = table.flops[depthwise] + table.flops[pointwise]
            rows[name] = (
                layer.in_channels,
                layer.out_channels,
                int(two),
                full,
                full / two,
            )
    columns = ["C", "C'", "two steps", "full 3×3", "factor"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


@claim(
    "after/separable-cost",
    chapter="after",
    statement="By expressing convolution as a two step process of filtering and "
    "combining we get a reduction in computation of 1/N + 1/D².",
    source="Howard et al. 2017, section 3.1",
)
def separable_cost(network: nn.Module | None = None) -> Evidence:
    """Whether the two steps do 1/C' + 1/K² of a full one's multiply-adds."""
    table = separable_pairs(network or models.on_meta(models.mobilenet_v2))
    formula = 1 / table["C'"] + 1 / 9
    exact = ((table["two steps"] / table["full 3×3"] - formula).abs() < 1e-12).sum()
    return Evidence(
        holds=bool(exact == len(table) > 0),
        measured=f"In {exact} of the {len(table)} blocks of MobileNetV2 the two "
        "steps do exactly that share of a full 3×3 convolution's multiply-adds: "
        f"between {1 / table.factor.max():.3f} and {1 / table.factor.min():.3f}. "
        "N is the number of output channels, D the kernel's side, which has an "
        "index K in the paper.",
        table=table,
    )


@claim(
    "after/eight-to-nine",
    chapter="after",
    statement="MobileNetV2 uses k = 3 so the computational cost is 8 to 9 times "
    "smaller than that of standard convolutions.",
    source="Sandler et al. 2018, section 3.1",
)
def eight_to_nine(network: nn.Module | None = None) -> Evidence:
    """Where the two steps are 8 to 9 times cheaper than one full convolution."""
    table = separable_pairs(network or models.on_meta(models.mobilenet_v2))
    inside = table.factor.between(8, 9)
    whole = table["full 3×3"].sum() / table["two steps"].sum()
    narrow = table["C'"][~inside]
    caveat = None
    if len(narrow):
        caveat = (
            f"The other {len(narrow)} blocks save less, down to "
            f"{table.factor.min():.1f} times: they write {narrow.min()} to "
            f"{narrow.max()} channels, and a factor of 8 takes {WIDE} or more."
        )
    return Evidence(
        holds=bool(inside.any() and (table["C'"][inside] >= WIDE).all()),
        measured=f"In {inside.sum()} of {len(table)} blocks of MobileNetV2 a full "
        "3×3 convolution in place of the two would do 8 to 9 times the "
        f"multiply-adds. Over all blocks it is {whole:.1f} times.",
        table=table,
        caveat=caveat,
    )


@claim(
    "after/compound-scaling",
    chapter="after",
    statement="The FLOPS of a regular convolution op is proportional to d, w², r².",
    source="Tan and Le 2019, section 3.3",
)
def compound_scaling(
    build: Callable[[float, float], nn.Module] = EfficientNet,
    scales: Sequence[tuple[float, float, int]] = SCALES,
) -> Evidence:
    """Multiply-adds of B0 to B7 against B0's times depth, width² and resolution².

    Args:
        build: called with the width and the depth.
        scales: width, depth and pixels of each; the first is the base.
    """
    rows = {}
    for number, (width, depth, side) in enumerate(scales):
        network = models.on_meta(build, width, depth)
        blocks = sum(isinstance(module, MBConv) for module in network.modules())
        flops = profile(network, (3, side, side)).total.flops
        rows[f"B{number}"] = (width, depth, blocks, side, flops)
    columns = ["width", "depth", "blocks", "pixels", "flops"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    times = table / table.iloc[0]
    area = times.width**2 * times.pixels**2
    table["d w² r²"], table["as built"] = times.depth * area, times.blocks * area
    table["flops, times"] = times.flops
    off = times.flops / table["as built"] - 1
    worst, last, second = off.abs().idxmax(), table.index[-1], table.index[1]
    return Evidence(
        holds=bool(off.abs().max() <= APPROXIMATE),
        measured=f"From B0 to {last} the blocks, width² and resolution² together "
        f"grow {table['as built'][last]:.0f} times, the multiply-adds "
        f"{times.flops[last]:.0f} times. Of all scales {worst} is farthest off, "
        f"by {off[worst]:+.0%}.",
        table=table,
        caveat="EfficientNet's depthwise convolutions grow with w alone. And the "
        "blocks that are built take the place of d here, as each stage rounds "
        f"their number up: {second} has a depth of {table.depth[second]:g}, which "
        f"makes {table.blocks[second]:.0f} blocks where {table.index[0]} has "
        f"{table.blocks.iloc[0]:.0f}. "
        f"It costs {times.flops[second]:.2f} times B0, where d, w² and r² say "
        f"{table['d w² r²'][second]:.2f}.",
    )


@claim(
    "after/inverting-saves",
    chapter="after",
    statement="Despite the increased FLOPs for the depthwise convolution layer, "
    "this change reduces the whole network FLOPs to 4.6G, due to the significant "
    "FLOPs reduction in the downsampling residual blocks' shortcut 1 × 1 conv "
    "layer.",
    source=f"{CONVNEXT}, section 2.4",
)
def inverting_saves(
    ladder: Mapping[str, Callable[..., nn.Module]] = LADDER,
) -> Evidence:
    """Multiply-adds by kind of layer, before and after the inversion."""
    found = {}
    for step in ("wider", "inverted"):
        network = models.on_meta(ladder[step])
        rows = profile(network).table
        layers = dict(network.named_modules())
        kind = [
            "shortcuts"
            if "downsample" in name
            else "depthwise"
            if getattr(layers[name], "groups", 1) > 1
            else "all others"
            for name in rows.index
        ]
        found[step] = rows.flops.groupby(kind).sum() / 1e9
    table = pd.DataFrame(found)
    table["change"] = table.inverted - table.wider
    total = table.sum()
    return Evidence(
        holds=bool(
            round(total.inverted, 1) == 4.6
            and table.change["depthwise"] > 0
            and table.change["shortcuts"] < total.change < 0
        ),
        measured=f"The network falls from {total.wider:.2f} to "
        f"{total.inverted:.2f} billion multiply-adds: the depthwise convolutions "
        f"by {table.change['depthwise']:+.2f}, the shortcuts by "
        f"{table.change['shortcuts']:+.2f}, all other layers by "
        f"{table.change['all others']:+.2f}.",
        table=table,
    )


def ladder_costs(
    ladder: Mapping[str, Callable[..., nn.Module]] = LADDER,
    printed: Mapping[str, float] = TABLE_10,
) -> pd.DataFrame:
    """A row per step: the three measures, and the paper's flops and accuracy."""
    rows = {}
    for step, build in ladder.items():
        total = profile(models.on_meta(build)).total
        rows[step] = {
            "memory_kb": total.memory_kb,
            "params": total.params,
            "flops": total.flops,
            "flops, paper (10⁹)": printed[step],
            "top-1, paper (%)": value("liu2022", step, ACCURACY),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")


def _largest(gains: pd.Series) -> str:
    """The step that gained most, or all that did, and how much: “wider” (2.22)."""
    shown = gains.round(2)  # two may differ by the error of a float
    names = [f"“{name}”" for name in shown.index[shown == shown.max()]]
    *before, last = names
    listed = f"{', '.join(before)} and {last}" if before else last
    return f"{listed} ({'each ' if before else ''}{shown.max():.2f})"


def _regained(gains: pd.Series) -> str:
    """How much of the largest gain the step before it had lost, if it lost any; of
    several that gained as much, nothing."""
    shown = gains.round(2)
    best = int(shown.argmax())
    lost = min(-shown.iloc[best - 1], shown.iloc[best]) if best else 0
    if not lost > 0 or (shown == shown.max()).sum() > 1:
        return ""
    return f", of which {lost:.2f} make up for what “{gains.index[best - 1]}” lost"


@claim(
    "after/ladder",
    chapter="after",
    statement="We gradually “modernize” a standard ResNet toward the design of a "
    "vision Transformer, and discover several key components that contribute to "
    "the performance difference along the way.",
    source=f"{CONVNEXT}, section 1 (abstract) and table 10",
)
def ladder(
    steps: Mapping[str, Callable[..., nn.Module]] = LADDER,
    printed: Mapping[str, float] = TABLE_10,
) -> Evidence:
    """Whether the steps, built from the paper's words, cost what its table says."""
    table = ladder_costs(steps, printed)
    ours, paper = table["flops"] / 1e9, table["flops, paper (10⁹)"]
    agree = (ours - paper).abs() <= ROUNDING
    accuracy = table["top-1, paper (%)"]
    before = value("liu2022", "ResNet-50, PyTorch's recipe", ACCURACY)
    recipe = accuracy.iloc[0] - before
    design, gains = accuracy.iloc[-1] - accuracy.iloc[0], accuracy.diff()
    costs = zip(table.index, ours, paper, strict=True)
    lines = [f"{step} {cost:.2f}, printed {its:.2f}" for step, cost, its in costs]
    odd = "; ".join(
        line for line, same in zip(lines, agree, strict=True) if not same
    )
    return Evidence(
        holds=bool(agree.drop(list(PRINTED_OTHERWISE)).all() and design > 0),
        measured=f"Of the {len(table)} networks, {agree.sum()} do the "
        "multiply-adds of table 10 to its last digit. Its accuracies rise by "
        f"{design:.2f} points from {table.index[0]} to {table.index[-1]}, most by "
        f"{_largest(gains)}{_regained(gains)}; the training alone had given "
        f"{recipe:.2f} points before. The accuracies are cited.",
        table=table,
        method=f"In billions of multiply-adds the rest differ: {odd}. A layer norm "
        "multiplies nothing here, so it cannot cost 0.31 billion; the separate "
        "downsampling does, and in the paper's table 11 the jump stands there.",
    )
