"""The notes' statements on GoogLeNet.

Those on the architecture are checked on the network's own layers. The one on
auxiliary classifiers reads the record of the experiment ``aux-vs-batchnorm``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import fx, nn

from cnnbook import models, records
from cnnbook.claims._deciding import how, recorded, undecided
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.claims._networks import Networks, build, until
from cnnbook.models.googlenet import TABLE_1
from cnnbook.models.published import published_accuracy
from cnnbook.profiling import profile
from cnnbook.profiling.rows import times
from cnnbook.records import Record
from cnnbook.records.effects import effect, margin

if TYPE_CHECKING:
    import pandas as pd

NOTES = "Lecture notes, GoogLeNet (2014)"
PAPER = "Szegedy et al. 2015"


def _paper() -> nn.Module:
    return models.on_meta(models.googlenet, variant="paper")


@claim(
    "googlenet/efficiency",
    chapter="googlenet",
    statement="Innovations for efficiency.",
    source=f"{NOTES}; {PAPER}, section 1; accuracy: torchvision's weights "
    "IMAGENET1K_V1",
)
def efficiency(
    networks: Networks | None = None, accuracy: Mapping[str, float] | None = None
) -> Evidence:
    """`networks` and their `accuracy` by name: alexnet, vgg16, googlenet."""
    import pandas as pd

    networks = networks or build("alexnet", "vgg16", "googlenet")
    accuracy = accuracy or {name: published_accuracy(name) for name in networks}
    rows = {}
    for name, network in networks.items():
        p = profile(network, (3, 224, 224))
        rows[name] = {
            "top-1 %": accuracy[name],
            "params": p.params_used,
            "flops": p.total.flops,
            "memory_kb": p.total.memory_kb,
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    own, alexnet, vgg = (
        table.loc[name] for name in ("googlenet", "alexnet", "vgg16")
    )
    return Evidence(
        holds=bool(
            own["top-1 %"] > alexnet["top-1 %"]
            and own.params < min(alexnet.params, vgg.params)
            and own.flops < vgg.flops
        ),
        measured=f"GoogLeNet is {own['top-1 %'] - alexnet['top-1 %']:.1f} points "
        f"more accurate than AlexNet with {alexnet.params / own.params:.1f} times "
        f"fewer parameters. Against VGG-16 it has {vgg.params / own.params:.0f} "
        f"times fewer parameters and takes {vgg.flops / own.flops:.1f} times fewer "
        f"multiply-adds and {vgg.memory_kb / own.memory_kb:.1f} times less memory.",
        table=table,
        caveat=f"VGG-16 is {vgg['top-1 %'] - own['top-1 %']:.1f} points more "
        "accurate. And AlexNet takes fewer multiply-adds: GoogLeNet needs "
        f"{own.flops / alexnet.flops:.1f} times as many. It saves weights, not "
        "work, against AlexNet.",
    )


def stems(networks: Networks | None = None) -> pd.DataFrame:
    """What each network spends until its output is 28 pixels wide, from 224: a row
    per network."""
    import pandas as pd

    rows = {}
    for name, network in (networks or build("vgg16", "googlenet")).items():
        layers = until(profile(network, (3, 224, 224)), 28)
        rows[name] = {
            "convolutions": sum(layer.kind == "conv" for layer in layers),
            "memory_kb": sum(layer.memory_kb for layer in layers),
            "params": sum(layer.params for layer in layers),
            "flops": sum(layer.flops for layer in layers),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


@claim(
    "googlenet/stem",
    chapter="googlenet",
    statement="Stem network at the start aggressively downsamples the input.",
    source=f"{NOTES}; {PAPER}, table 1",
)
def stem(networks: Networks | None = None) -> Evidence:
    table = stems(networks)
    ratio = table.loc["vgg16"] / table.loc["googlenet"]
    return Evidence(
        holds=bool((ratio > 2).all()),
        measured="From 224 to 28 pixels GoogLeNet takes "
        f"{table.convolutions['googlenet']} convolutions, VGG-16 "
        f"{table.convolutions['vgg16']}. VGG-16 spends {ratio.memory_kb:.1f} times "
        f"the memory, {ratio.params:.1f} times the parameters and "
        f"{ratio.flops:.1f} times the multiply-adds on the way, GoogLeNet's first "
        "convolution counted as the plain 7×7 that figure 3 of the paper draws.",
        table=table,
    )


def _modules(network: nn.Module) -> dict[str, models.Inception]:
    """The Inception modules of a network, by name."""
    return {
        name: module
        for name, module in network.named_children()
        if isinstance(module, models.Inception)
    }


def branches(module: nn.Module) -> int:
    """How many parallel branches read the module's input and are stacked into its
    output; 0 if not.

    Counted on the graph of what the module executes.
    """
    nodes = list(fx.symbolic_trace(module).graph.nodes)
    image, last = nodes[0], nodes[-2]
    if last.target not in (torch.cat, torch.concat):
        return 0
    return len(image.users) if len(image.users) == len(last.all_input_nodes) else 0


@claim(
    "googlenet/inception-module",
    chapter="googlenet",
    statement="Inception module: local unit with parallel branches which is "
    "repeated many times throughout the network.",
    source=f"{NOTES}; {PAPER}, section 4, figure 2(b) and table 1",
)
def inception_module(network: nn.Module | None = None) -> Evidence:
    import pandas as pd

    network = network or _paper()
    p = profile(network, (3, 224, 224))
    rows = {}
    for name, module in _modules(network).items():
        layers = [layer for layer in p.layers if layer.name.startswith(f"{name}.")]
        rows[name] = {
            "branches": branches(module),
            "params": sum(layer.params for layer in layers),
            "flops": sum(layer.flops for layer in layers),
        }
    columns = ["branches", "params", "flops"]
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=columns
    ).rename_axis("module")
    share = table.flops.sum() / p.total.flops
    return Evidence(
        holds=bool(len(table) > 2 and (table.branches > 1).all() and share > 0.5),
        measured=f"{len(table)} modules, each of {_each(table.branches)} parallel "
        f"branches over one input. They do {100 * share:.0f} % of the network's "
        "multiply-adds.",
        table=table,
    )


def _each(values) -> str:
    return " or ".join(map(str, sorted(set(values))))


def _kernels(module: nn.Module) -> tuple[int, ...]:
    """The kernel sizes of its convolutions, each once."""
    return tuple(
        sorted(
            {m.kernel_size[0] for m in module.modules() if isinstance(m, nn.Conv2d)}
        )
    )


@claim(
    "googlenet/kernel-sizes",
    chapter="googlenet",
    statement="Tries all sizes of kernels instead of setting it as a "
    "hyperparameter.",
    source=f"{NOTES}; {PAPER}, section 4",
)
def kernel_sizes(networks: Networks | None = None) -> Evidence:
    """`networks`: the variants "paper" and "torchvision" by name."""
    import pandas as pd

    if networks is None:
        networks = {
            "paper": _paper(),
            "torchvision": build("googlenet")["googlenet"],
        }
    rows = [
        (variant, name, ", ".join(f"{k}×{k}" for k in _kernels(module)))
        for variant, network in networks.items()
        for name, module in _modules(network).items()
    ]
    table = pd.DataFrame(rows, columns=["variant", "module", "kernels"])
    table = table.pivot(index="module", columns="variant", values="kernels")
    sizes = [_kernels(module) for module in _modules(networks["paper"]).values()]
    return Evidence(
        holds=bool(sizes) and all(len(each) > 2 for each in sizes),
        measured=f"Each of the {len(sizes)} modules of the paper's network has "
        f"convolutions of {_each(table['paper'])} side by side, and a 3×3 max "
        "pooling.",
        table=table,
        caveat="All sizes are three: 1, 3 and 5. torchvision's network has only "
        f"{_each(table['torchvision'])}. And how many channels each size gets is "
        f"still set by hand: {6 * len(TABLE_1)} numbers in the paper's table 1.",
    )


def bottlenecks(network: nn.Module | None = None) -> pd.DataFrame:
    """Each Inception module of the paper's network at 224 pixels against one
    without reductions.

    A row per module: ``params`` and ``flops`` as it is, ``naive params`` and
    ``naive flops`` of a module with the same input and the same 1×1, 3×3 and 5×5
    outputs (figure 2(a) of the paper). ``reduced`` says whether every larger
    convolution reads a 1×1 that has fewer channels than the module's input.
    """
    import pandas as pd

    rows = {}
    network = network or _paper()
    sizes = {
        layer.name: layer.output for layer in profile(network, (3, 224, 224)).layers
    }
    for name, module in _modules(network).items():
        first = module.branch1.conv
        _, height, width = sizes[f"{name}.branch1.conv"]
        size = (first.in_channels, height, width)
        with torch.device("meta"):
            naive = models.NaiveInception(
                size[0], TABLE_1[name.removeprefix("inception")]
            )
        own, other = profile(module, size).total, profile(naive, size).total
        rows[name] = {
            "params": own.params,
            "naive params": other.params,
            "flops": own.flops,
            "naive flops": other.flops,
            "reduced": _is_reduced(module, size[0]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("module")


def _is_reduced(module: nn.Module, in_channels: int) -> bool:
    convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    return all(
        before.kernel_size == (1, 1)
        and layer.in_channels == before.out_channels < in_channels
        for before, layer in pairwise(convolutions)
        if layer.kernel_size != (1, 1)
    )


@claim(
    "googlenet/bottleneck",
    chapter="googlenet",
    statement="Uses 1x1 bottleneck layers to reduce channel dimension before "
    "expensive convolutions.",
    source=f"{NOTES}; {PAPER}, section 4, figure 2 and table 1",
)
def bottleneck(network: nn.Module | None = None) -> Evidence:
    table = bottlenecks(network)
    total = table.drop(columns="reduced").sum()
    return Evidence(
        holds=bool(table["reduced"].all() and total.flops < total["naive flops"]),
        measured=f"In {table['reduced'].sum()} of {len(table)} modules every 3×3 "
        "and 5×5 convolution reads a 1×1 with fewer channels than the module's "
        f"input. All modules take {total.flops / 1e9:.2f} billion multiply-adds "
        f"and {total.params / 1e6:.1f} million parameters; without the reductions "
        f"they would take {total['naive flops'] / 1e9:.2f} billion and "
        f"{total['naive params'] / 1e6:.1f} million.",
        table=table,
    )


def heads(networks: Networks | None = None) -> pd.DataFrame:
    """What follows the last convolution or max pooling of each network, to be read:
    a row per network.

    Columns: ``features``, their shape as C×H×W; ``numbers read`` by the linear
    layers; ``linear layers``; ``parameters``, theirs.
    """
    table = _heads(networks)
    shapes = [times(shape, "×") for shape in table["features"]]
    return (
        table.assign(features=shapes)
        .rename(index=models.title)
        .rename(columns={"read": "numbers read", "params": "parameters"})
    )


def _heads(networks: Networks | None) -> pd.DataFrame:
    """The same as numbers, by the networks' own names: ``features`` (C, H, W),
    ``read``, ``linear layers``, ``params``."""
    import pandas as pd

    rows = {}
    for name, network in (
        networks or build("alexnet", "vgg16", "googlenet")
    ).items():
        layers = profile(network, (3, 224, 224)).layers
        linear = [layer for layer in layers if layer.kind == "linear"]
        maps = [layer for layer in layers if len(layer.output) == 3]
        pooled, before = maps[-1].output, maps[-2].output
        # Inception branches are stacked: the pooled channels are all of theirs.
        features = (pooled[0], *before[1:])
        rows[name] = {
            "features": features,
            "read": math.prod(pooled),
            "linear layers": len(linear),
            "params": sum(layer.params for layer in linear),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


@claim(
    "googlenet/global-average-pooling",
    chapter="googlenet",
    statement="Uses Global Average Pooling to collapse spatial dimensions, and one "
    "linear layer to produce class scores.",
    source=f"{NOTES}; {PAPER}, section 5; Lin, Chen, Yan 2014, section 3.2",
)
def global_average_pooling(networks: Networks | None = None) -> Evidence:
    """`networks` by name: alexnet, vgg16, googlenet."""
    table = _heads(networks)
    own = table.loc["googlenet"]
    channels, height, width = own.features
    per_class = own.params // (own["read"] + 1)
    flattened = per_class * (channels * height * width + 1)
    return Evidence(
        holds=bool(
            own["read"] == channels and height > 1 and own["linear layers"] == 1
        ),
        measured=f"{channels}×{height}×{width} features become {own['read']:,} "
        f"numbers, read by {own['linear layers']} linear layer of {own.params:,} "
        f"parameters. Without the pooling it would have {flattened:,}. The linear "
        f"layers of VGG-16 have {table.params['vgg16']:,}, those of AlexNet "
        f"{table.params['alexnet']:,}.",
        table=heads(networks),
        method="It is the network that is used. In training the auxiliary heads, "
        "with two linear layers each, produce class scores too.",
    )


SMALLER = "the heads' gain, less with batch norm"
# An effect: the two arms whose difference it is.
EFFECTS = {
    "heads, without batch norm": ("heads", "neither"),
    "heads, with batch norm": ("both", "batch-norm"),
    "batch norm, without heads": ("batch-norm", "neither"),
    "batch norm instead of heads": ("batch-norm", "heads"),
}


def differences(runs: Sequence[Record]) -> dict[str, records.Difference]:
    """What each of the two does to the test accuracy: by effect.

    The last one, `SMALLER`, is by how much the gain of the heads gets smaller with
    batch normalisation, seed by seed.
    """
    found = {
        name: records.compare(runs, one, other)
        for name, (one, other) in EFFECTS.items()
    }
    without, with_norm = (found[name].values for name in list(EFFECTS)[:2])
    found[SMALLER] = records.interval(
        [a - b for a, b in zip(without, with_norm, strict=True)], SMALLER
    )
    return found


def effects(runs: Sequence[Record]) -> pd.DataFrame:
    """The same as a table: ``mean``, and ``low`` and ``high`` of its 95 % interval,
    in points."""
    import pandas as pd

    rows = {
        name: {"mean": each.mean, "low": each.low, "high": each.high}
        for name, each in differences(runs).items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("effect")


@claim(
    "googlenet/aux-classifiers",
    chapter="googlenet",
    statement="Auxiliary Classifiers: no longer needed after Batch Normalization "
    "(BN).",
    source=f"{NOTES}; {PAPER}, section 5; Ioffe and Szegedy 2015; Szegedy et al. "
    "2016, section 4",
)
def aux_classifiers(runs: Sequence[Record] | None = None) -> Evidence:
    """`runs`: those of the experiment ``aux-vs-batchnorm``.

    What the sentence says, and the verdict tests: that the heads' gain is smaller
    with batch norm than without it, and with it within a margin of none
    (`records.effects`).
    """
    experiment = "aux-vs-batchnorm"
    runs = recorded(experiment) if runs is None else runs
    if not runs:
        return Evidence(None, "The experiment aux-vs-batchnorm has not run yet.")
    found = differences(runs)
    before, after = (found[name] for name in list(EFFECTS)[:2])
    smaller = found[SMALLER]
    none, sought = margin(experiment), effect(experiment)
    needless, less = after.within(none, "higher"), smaller.decides("higher")
    holds = (
        True if needless and less else False if False in (needless, less) else None
    )
    return Evidence(
        holds=holds,
        measured="The heads change the test accuracy by "
        f"{before.without_seeds()} without batch norm and by "
        f"{after.without_seeds()} with it. With it the gain is "
        f"{_less(smaller.mean)} (95 % interval: from {_less(smaller.low)} to "
        f"{_less(smaller.high)}). This is at {how(runs)}.",
        table=effects(runs),
        caveat="On ImageNet the heads were worth about 0.5 % without batch norm, "
        "and one alone as much (Szegedy et al., CVPR 2015, section 5). With it "
        "Szegedy et al. (2016, section 4) found the network with heads slightly "
        "better at the end of training, without a figure, and take a head for a "
        "regulariser. To normalise its linear layer, too, "
        "brought 21.6 to 21.2 % top-1 error (table 3).",
        open=undecided((after, none), (smaller, sought)) if holds is None else None,
    )


def _less(points: float) -> str:
    """0.3 → "0.30 points smaller", −0.3 → "0.30 points larger"."""
    return f"{abs(points):.2f} points {'smaller' if points >= 0 else 'larger'}"
