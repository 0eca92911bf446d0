"""The notes' statements on ResNet.

Those on the architecture are checked on the network's own layers, the two on
degradation read the records of the experiment ``degradation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from cnnbook import models, records
from cnnbook.claims._deciding import how, recorded, undecided
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.claims._networks import Networks, build, until
from cnnbook.models import preactivation as residuals
from cnnbook.profiling import profile
from cnnbook.records import Record
from cnnbook.records.effects import effect

if TYPE_CHECKING:
    import pandas as pd

NOTES = "Lecture notes, ResNet (2015)"
PAPER = "He et al. 2016"
BASIC, BOTTLENECK = ("resnet18", "resnet34"), ("resnet50", "resnet101", "resnet152")
SHALLOW, DEEP = "plain20", "plain56"


# The problem.


def training_errors(runs: Sequence[Record]) -> pd.DataFrame:
    """Errors after the last epoch in %, by arm: mean, lowest and highest over the
    seeds.

    Training errors are those of fixed images in evaluation mode where they were
    recorded, else the mean while training.
    """
    import pandas as pd

    table = records.table(runs).set_index("arm")
    errors = pd.DataFrame(
        {
            "training error %": table.train_error,
            "validation error %": 100 * (1 - table.validation_accuracy),
        }
    )
    return (
        errors.groupby(level="arm", sort=False).agg(["mean", "min", "max"]).round(1)
    )


@claim(
    "resnet/deeper-worse",
    chapter="resnet",
    statement="Problem: Deeper networks perform worse than shallow ones.",
    source=f"{NOTES}; {PAPER}, section 1 and figures 1 and 6",
)
def deeper_worse(runs: Sequence[Record] | None = None) -> Evidence:
    runs = recorded("degradation") if runs is None else runs
    if not runs:
        return Evidence(None, "No run of the experiment degradation is on record.")
    table = training_errors(runs)
    error = table["training error %"]["mean"]
    plain = records.compare(runs, DEEP, SHALLOW, "train_error")
    residual = records.compare(runs, "resnet56", "resnet20", "train_error")
    holds = plain.decides("higher")
    return Evidence(
        holds=holds,
        measured="From 20 to 56 layers the training error of the plain network "
        f"goes from {error[SHALLOW]:.1f} to {error[DEEP]:.1f} %: {plain}. With "
        f"shortcuts it goes from {error['resnet20']:.1f} to "
        f"{error['resnet56']:.1f} %: {residual}. This is at {how(runs)}.",
        table=table,
        open=undecided((plain, effect("degradation"))) if holds is None else None,
        caveat="It is true of plain networks beyond some depth; up to there depth "
        "helps: VGG-16 is better than VGG-11, and with shortcuts it helps far "
        "beyond.",
    )


@claim(
    "resnet/harder-to-optimize",
    chapter="resnet",
    statement="Hypothesis: deeper networks are harder to optimize, and don't learn "
    "identity functions to emulate shallow models.",
    source=f"{NOTES}; {PAPER}, section 1",
)
def harder_to_optimize(
    runs: Sequence[Record] | None = None,
    pair: tuple[nn.Module, nn.Module] | None = None,
) -> Evidence:
    """`pair`: the shallow plain network and the deep one made of it."""
    runs = recorded("degradation") if runs is None else runs
    if not runs:
        return Evidence(None, "No run of the experiment degradation is on record.")
    table = training_errors(runs)
    error = table["training error %"]["mean"]
    difference = _difference(*(pair or _deepened(SHALLOW, DEEP)))
    gap = records.compare(runs, DEEP, SHALLOW, "train_error")
    holds = gap.decides("higher") if difference == 0 else False
    return Evidence(
        holds=holds,
        open=undecided((gap, effect("degradation"))) if holds is None else None,
        measured="The weights of the shallow plain network, copied into the deep "
        "one with the identity in all other layers, give logits that differ by "
        f"{difference:g}. So there are weights for the deep one with a training "
        f"error of {error[SHALLOW]:.1f} %; the training ended at "
        f"{error[DEEP]:.1f} %. With shortcuts, the same optimiser brought 56 "
        f"layers to {error['resnet56']:.1f} %.",
        table=table,
        caveat="It shows that the training did not find weights that exist, so it "
        "is not overfitting. Why it did not is left to conjecture in the paper too "
        "(section 4.1).",
    )


# The construction.


def _deepened(shallow: str, deep: str) -> tuple[nn.Module, nn.Module]:
    """A shallow network with weights and statistics of some training, and the deep
    one of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models.create(shallow)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                nn.init.normal_(module.get_buffer("running_mean"), std=0.2)
                nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)
        return network, models.deepen(network, models.create(deep))


@torch.no_grad()
def _difference(shallow: nn.Module, deep: nn.Module) -> float:
    """The largest difference of the two networks' logits on random images."""
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return (shallow.eval()(images) - deep.eval()(images)).abs().max().item()


@claim(
    "resnet/copy-layers",
    chapter="resnet",
    statement="Solution: just copying the learned layers from the shallower model "
    "and setting additional layers to identity mapping.",
    source=f"{NOTES}; {PAPER}, section 1",
)
def copy_layers(
    pairs: Mapping[str, tuple[nn.Module, nn.Module]] | None = None,
) -> Evidence:
    """`pairs`: of a shallow network and the deep one made of it, by name of the
    kind."""
    import pandas as pd

    if pairs is None:
        pairs = {
            kind: _deepened(f"{kind}20", f"{kind}56")
            for kind in ("plain", "resnet")
        }
    rows = {
        kind: {
            "shallow, params": sum(p.numel() for p in shallow.parameters()),
            "deep, params": sum(p.numel() for p in deep.parameters()),
            "largest difference": _difference(shallow, deep),
        }
        for kind, (shallow, deep) in pairs.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("kind")
    return Evidence(
        holds=bool((table["largest difference"] == 0).all()),
        measured="A network of 20 layers, copied into one of 56 with the identity "
        "in the other 36, gives the same logits: the largest difference is "
        f"{table['largest difference'].max():g}, for plain and for residual "
        "networks.",
        table=table,
        caveat="It proves that good weights exist, it is not how ResNets are "
        "trained: there all layers are learned together. The paper's solution is a "
        "shortcut, with which the identity is easy to reach: zero weights instead "
        "of an exact pattern of ones and zeros.",
    )


# The blocks.


def blocks(network: nn.Module) -> dict[str, nn.Module]:
    """The residual blocks of a ResNet by name."""
    stages = {
        name: m
        for name, m in network.named_children()
        if isinstance(m, nn.Sequential)
    }
    return {
        f"{name}.{i}": block
        for name, stage in stages.items()
        for i, block in stage.named_children()
    }


def kernels(block: nn.Module) -> tuple[tuple[int, ...], ...]:
    """The kernels of a block's convolutions in their order, without those of its
    shortcut."""
    return tuple(
        module.kernel_size
        for name, module in block.named_modules()
        if isinstance(module, nn.Conv2d) and "downsample" not in name
    )


def _made_of(networks: Networks, expected: tuple[int, ...]) -> Evidence:
    import pandas as pd

    square = tuple((k, k) for k in expected)
    rows = {}
    for name, network in networks.items():
        found = [kernels(block) for block in blocks(network).values()]
        rows[name] = {
            "blocks": len(found),
            "as stated": sum(each == square for each in found),
            "with a convolution on the shortcut": sum(
                isinstance(m, nn.Conv2d) and "downsample" in n
                for n, m in network.named_modules()
            ),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    listed = ", ".join(
        f"{row['blocks']} of {models.title(name)}" for name, row in table.iterrows()
    )
    convolutions = ", ".join(f"{k}×{k}" for k in expected)
    return Evidence(
        holds=bool(
            (table["blocks"] > 0).all()
            and (table["blocks"] == table["as stated"]).all()
        ),
        measured=f"{table['as stated'].sum()} of {table['blocks'].sum()} residual "
        f"paths ({listed}) are the convolutions {convolutions}, in this order. "
        "Where a block changes the shape, its shortcut has a 1×1 convolution "
        "besides.",
        table=table,
    )


@claim(
    "resnet/basic-block",
    chapter="resnet",
    statement="Basic block: two 3x3 convolutions.",
    source=f"{NOTES}; {PAPER}, figure 5 and table 1",
)
def basic_block(networks: Networks | None = None) -> Evidence:
    return _made_of(networks or build(*BASIC), (3, 3))


@claim(
    "resnet/bottleneck-block",
    chapter="resnet",
    statement="Bottleneck block: 1x1 convolution + 3x3 convolution + 1x1 "
    "convolution.",
    source=f"{NOTES}; {PAPER}, figure 5 and table 1",
)
def bottleneck_block(networks: Networks | None = None) -> Evidence:
    return _made_of(networks or build(*BOTTLENECK), (1, 3, 1))


def _zeroed() -> dict[str, nn.Module]:
    """The three kinds of blocks of 16 channels."""
    return {
        "basic": models.BasicBlock(16, 16),
        "bottleneck": models.Bottleneck(16, 4),
        "pre-activation, basic": models.PreActivationBlock(
            16, residuals.Basic(16, 16)
        ),
        "pre-activation, bottleneck": models.PreActivationBlock(
            16, residuals.Bottleneck(16, 4)
        ),
    }


@torch.no_grad()
def with_zero_weights(kinds: Networks | None = None) -> pd.DataFrame:
    """What blocks give when their convolutions are zero: a row per kind of block.

    The input is random, half of it negative; the blocks are in training mode.
    "unchanged" is in % of the input's values, "unchanged, of those ≥ 0" in % of
    those that are not negative.
    """
    import pandas as pd

    x = torch.randn(4, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    rows = {}
    for name, block in (kinds or _zeroed()).items():
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.zeros_(module.weight)
        same = block.train()(x) == x
        rows[name] = {
            "unchanged": 100 * same.float().mean().item(),
            "unchanged, of those ≥ 0": 100 * same[x >= 0].float().mean().item(),
            "the identity": bool(same.all()),
        }
    return (
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("block").round(1)
    )


@claim(
    "resnet/preactivation-block",
    chapter="resnet",
    statement="Pre-activation block: ReLU inside residual → can learn true "
    "identity function by setting convolution weights to zero.",
    source=f"{NOTES}; He et al., ECCV 2016, figure 4(e)",
)
def preactivation_block(kinds: Networks | None = None) -> Evidence:
    """`kinds`: blocks by name; those of pre-activation begin with that word."""
    table = with_zero_weights(kinds)
    pre = table.index.str.startswith("pre-activation")
    others = table[~pre]
    return Evidence(
        holds=bool(pre.any() and (table["the identity"] == pre).all()),
        measured="With all convolutions zero, pre-activation blocks give each of "
        "their inputs back, bit for bit. Basic and bottleneck blocks leave "
        f"{others['unchanged'].max():.1f} % of random inputs unchanged, as the "
        "ReLU after their sum cuts off what is negative.",
        table=table,
        method="Inside a stage, a basic block's input comes from such a ReLU and "
        "is nowhere negative: those it does pass on. What it cannot do is to let a "
        "signal through whole, of either sign.",
    )


# The network.


def stages(
    network: nn.Module, input_size: tuple[int, int, int] = (3, 224, 224)
) -> pd.DataFrame:
    """What the first block of each stage does to resolution and channels: a row per
    stage."""
    import pandas as pd

    layers = profile(network, input_size).layers
    rows = {}
    before = next(layer for layer in layers if layer.kind == "pool").output
    for name, stage in network.named_children():
        if isinstance(stage, nn.Sequential):
            own = [layer for layer in layers if layer.name.startswith(f"{name}.0.")]
            last = [layer for layer in own if "downsample" not in layer.name][
                -1
            ].output
            strides = {
                m.stride for m in stage[0].modules() if isinstance(m, nn.Conv2d)
            }
            rows[name] = {
                "blocks": len(stage),
                "before": before,
                "after": last,
                "halves": before[1] == 2 * last[1] and (2, 2) in strides,
                "channels ×": last[0] / before[0],
            }
            before = last
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("stage")


@claim(
    "resnet/stages",
    chapter="resnet",
    statement="Network is divided into stages like VGG: the first block of each "
    "stage halves the resolution (with stride-2 convolution) and doubles the "
    "number of channels.",
    source=f"{NOTES}; {PAPER}, table 1",
)
def network_stages(networks: Networks | None = None) -> Evidence:
    import pandas as pd

    networks = networks or build(*BASIC, *BOTTLENECK)
    table = pd.concat({name: stages(network) for name, network in networks.items()})
    table = table.rename_axis(["network", "stage"])
    first = table.groupby(level="network").head(1)
    later = table.drop(index=first.index)
    rule = later["halves"] & (later["channels ×"] == 2)
    growth = sorted(set(first["channels ×"]))
    return Evidence(
        holds=bool(len(rule) and rule.all()),
        measured=f"In {rule.sum()} of {len(rule)} stages after the first, over "
        f"{len(networks)} networks, the first block halves the resolution by a "
        "stride of 2 and doubles the channels.",
        table=table,
        caveat="The rule does not begin with the first stage: it halves the "
        f"resolution in {first['halves'].sum()} of {len(first)} networks, as the "
        "stem's pooling did that, and its first block gives "
        f"{' or '.join(f'{g:g}' for g in growth)} times the channels. VGG halves "
        "by pooling, not by stride.",
    )


def _square(value: int | tuple[int, int]) -> int:
    return value if isinstance(value, int) else value[0]


@claim(
    "resnet/stem",
    chapter="resnet",
    statement="Uses the same aggressive stem as GoogLeNet to downsample the input "
    "4x before applying residual blocks.",
    source=f"{NOTES}; {PAPER}, table 1; Szegedy et al. 2015, table 1",
)
def stem(networks: Networks | None = None) -> Evidence:
    """`networks`: "resnet50" and "googlenet"."""
    import pandas as pd

    networks = networks or build("resnet50", "googlenet")
    rows = []
    for name, network in networks.items():
        modules = dict(network.named_modules())
        for layer in until(profile(network), 56):
            module = modules[layer.name]
            kernel, stride = _square(module.kernel_size), _square(module.stride)
            kind = f"{layer.kind} {kernel}×{kernel}, stride {stride}"
            rows.append((name, layer.name, kind, layer.output, layer.flops))
    columns = ["network", "layer", "kind", "output", "flops"]
    table = pd.DataFrame(rows, columns=columns).set_index(["network", "layer"])
    ours, theirs = table.loc["resnet50"], table.loc["googlenet"]
    same = (
        ours[["kind", "output"]].values.tolist()
        == theirs[["kind", "output"]].values.tolist()
    )
    first = next(iter(blocks(networks["resnet50"])))
    before = profile(networks["resnet50"], (3, 224, 224)).layers[len(ours)]
    factor = 224 // ours["output"].iloc[-1][-1]
    total = sum(layer.flops for layer in until(profile(networks["googlenet"]), 28))
    return Evidence(
        holds=same and factor == 4 and before.name.startswith(first),
        measured=f"Both begin with {' and '.join(ours['kind'])}: {factor} times "
        f"fewer pixels on a side, for {ours['flops'].sum() / 1e6:.0f} million "
        "multiply-adds. Then ResNet's residual blocks begin.",
        table=table,
        caveat="GoogLeNet's stem goes on: two more convolutions and a pooling, to "
        f"8 times, for {total / 1e6:.0f} million multiply-adds in all, its 7×7 "
        "counted as a plain convolution.",
    )


@claim(
    "resnet/global-average-pooling",
    chapter="resnet",
    statement="Uses Global Average Pooling.",
    source=f"{NOTES}; {PAPER}, section 3.3",
)
def global_average_pooling(networks: Networks | None = None) -> Evidence:
    import pandas as pd

    rows = {}
    for name, network in (networks or build(*BASIC, *BOTTLENECK)).items():
        layers = profile(network, (3, 224, 224)).layers
        before, pool, last = layers[-3:]
        positions = before.output[1] * before.output[2]
        average = isinstance(
            dict(network.named_modules()).get(pool.name), nn.AdaptiveAvgPool2d
        )
        rows[name] = {
            "before": before.output,
            "pooled": pool.output,
            "over all positions": average and pool.output[1:] == (1, 1),
            "linear layers": sum(layer.kind == "linear" for layer in layers),
            "linear, params": last.params,
            "params without pooling": (last.params - last.output[0]) * positions
            + last.output[0],
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")
    saved = (table["params without pooling"] - table["linear, params"]) / 1e6
    return Evidence(
        holds=bool(
            table["over all positions"].all()
            and (table["linear layers"] == 1).all()
        ),
        measured=f"{table['over all positions'].sum()} of {len(table)} networks "
        "average each channel over all positions before their one linear layer. "
        f"Without it, that layer would have {saved.min():.0f} to {saved.max():.0f} "
        "million more parameters.",
        table=table,
    )
