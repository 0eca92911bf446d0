"""Claims that can be asked of any network: is it so in *yours*?

Each check here decides by the rule of the claim of that name, on the network's own
layers. What a statement says of one architecture (two convolutions of five, five
stages) is put so that it has an answer for others: each says how. A statement about
layers that a network does not have does not apply to it.

A layer counts as what it does, however it is written: see `Use`. So networks that
differ only in how a library writes them get the same answer. The network is neither
run with its weights nor changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from cnnbook.claims import alexnet, measuring
from cnnbook.claims._mechanism import Evidence
from cnnbook.profiling import Layer, Profile, profile
from cnnbook.profiling.calls import Call

if TYPE_CHECKING:
    import pandas as pd

EARLY = 2 / 5  # of AlexNet's five convolutions two are early; so for others
EVEN = 1.1  # up to so many times the least, computation counts as the same
STEM = 8  # the stem brings the side down to an eighth, as from 224 to 28 pixels
FULLY, CONVOLUTION, SHARED = "fully connected", "convolution", "shared linear"


class Use(NamedTuple):
    """One use of a layer: its row of the profile, its call, and what that reads."""

    place: int  # in `Profile.calls`
    layer: Layer
    call: Call
    input: Call

    @property
    def part(self) -> str:
        """What the layer does.

        - Fully connected: it makes one vector of all of its input. That is a linear
          layer on a vector, or a convolution as large as its map, without padding.
        - A linear layer on anything else is used at many places with the same
          weights. It is a convolution by another name: of 1×1 at each position, or
          over the whole map in each channel (Tolstikhin et al. 2021, *MLP-Mixer*,
          section 2).
        """
        weight = self.call.settings.get("weight")
        if self.layer.kind not in ("conv", "linear") or weight is None:
            return self.layer.kind
        whole = math.prod(self.input.shape) == math.prod(weight[1:])
        if whole and math.prod(self.call.shape) == weight[0]:
            return FULLY
        return CONVOLUTION if self.layer.kind == "conv" else SHARED

    @property
    def map(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the output, if it is a map of several positions; or None."""
        shape = self.call.shape
        if len(shape) != 4 or shape[0] != 1:
            return None
        if self.layer.kind == "linear":  # on the last dimension
            shape = (1, shape[3], *shape[1:3])
        elif self.layer.kind not in ("conv", "pool"):
            return None  # attention, by heads
        _, channels, height, width = shape
        return (channels, height, width) if height * width > 1 else None

    @property
    def geometry(self) -> tuple:
        """Kernel, stride and padding as pairs; where none is named, torch's own."""
        settings = self.call.settings
        kernel = _pair(settings["kernel_size"])
        stride, padding = settings.get("stride"), settings.get("padding", 0)
        if stride is None:
            stride = 1 if self.layer.kind == "conv" else kernel
        if isinstance(padding, str):
            padding = tuple(
                (k - 1) // 2 if padding == "same" else 0 for k in kernel
            )
        return kernel, _pair(stride), _pair(padding)


def _pair(value) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


class Asked:
    """A network as a check sees it: module, profile, and the uses of its layers."""

    def __init__(self, network: nn.Module, found: Profile):
        self.network, self.profile, self.name = network, found, found.name
        calls, layers = found.calls, found.layers
        self.uses = [
            Use(place, layers[call.row], call, calls[call.reads[0]])
            for place, call in enumerate(calls)
            if call.row is not None and call.reads
        ]
        self.at = {use.place: use for use in self.uses}

    def part(self, *parts: str) -> list[Use]:
        return [use for use in self.uses if use.part in parts]

    @cached_property
    def stages(self) -> pd.DataFrame:
        """The maps of one resolution after another: a row per stage.

        Columns: ``side``; ``layers``, convolutions and linear ones; ``channels``
        and ``flops`` (of the widest and of the costliest).
        """
        import pandas as pd

        rows: list[dict[str, int]] = []
        for use in self.part(CONVOLUTION, SHARED):
            if use.map is None:
                continue
            channels, _, side = use.map
            if not rows or rows[-1]["side"] > side:
                rows.append({"side": side, "layers": 0, "channels": 0, "flops": 0})
            if rows[-1]["side"] == side:  # no branch that looks at a coarser image
                rows[-1]["layers"] += 1
                rows[-1]["channels"] = max(rows[-1]["channels"], channels)
                rows[-1]["flops"] = max(rows[-1]["flops"], use.layer.flops)
        table = pd.DataFrame(rows, columns=["side", "layers", "channels", "flops"])
        return table.set_index(table.index + 1).rename_axis("stage")


Check = Callable[[Asked], Evidence]
CHECKS: dict[str, Check] = {}


def of_any(id: str) -> Callable[[Check], Check]:
    """Register the decorated function as the claim's check of any network."""

    def register(check: Check) -> Check:
        CHECKS[id] = check
        return check

    return register


def check(id: str, model: nn.Module, input_size: tuple[int, int, int]) -> Evidence:
    """The evidence for the claim `id` in the network `model`.

    Raises:
        ValueError: if the claim cannot be asked of any network, or the network
            cannot be profiled, or not be run on shapes alone.
    """
    if id not in CHECKS:
        raise ValueError(
            f"{id} is about the book's own networks or runs and cannot be asked of "
            f"another; these can: {', '.join(CHECKS)}"
        )
    return CHECKS[id](Asked(model, profile(model, input_size)))


def _absent(what: str) -> Evidence:
    return Evidence(None, f"The network has no {what}.", applies=False)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


# The three measures.


def _formula(asked: Asked, check: Callable) -> Evidence:
    """The notes' formula on each convolution and linear layer, beside torch's."""
    import copy

    absent = _absent("convolution or linear layer that runs as a module of its own")
    if not any(
        isinstance(m, nn.Conv2d | nn.Linear) for m in asked.network.modules()
    ):
        return absent
    try:
        twin = copy.deepcopy(asked.network).to("meta")
        for module in twin.modules():
            for name, value in list(vars(module).items()):
                if isinstance(value, torch.Tensor):  # neither parameter nor buffer
                    setattr(module, name, value.to("meta"))
        with torch.device("meta"):  # what it makes on the way has no values either
            found = check({"": twin}, asked.profile.input_size, f"of {asked.name}")
    except Exception as error:  # whatever the network's own code does
        told = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{asked.name} does not run without its values: {told}"
        ) from error
    return absent if found.table.empty else found


@of_any("measuring/memory")
def memory(asked: Asked) -> Evidence:
    return _formula(asked, measuring.memory)


@of_any("measuring/params")
def params(asked: Asked) -> Evidence:
    found = _formula(asked, measuring.params)
    if found.table is None or found.holds:
        return found
    formula, measured = found.table.iloc[:, 0], found.table.iloc[:, 1]
    modules = dict(asked.network.named_modules())
    others = [modules[name] for name in found.table.index[formula != measured]]
    bare = sum(module.bias is None for module in others)
    told = f" Without a bias, which it adds: {bare} of the {len(others)} others."
    return replace(found, measured=found.measured + told)


@of_any("measuring/flops")
def flops(asked: Asked) -> Evidence:
    return _formula(asked, measuring.flops)


# AlexNet's three.


def _shares(asked: Asked, measure: str) -> pd.DataFrame:
    """A measure by what the layers do: a row per part, the largest first.

    ``other``, of the parameters, are those of what is no row: norms, embeddings.
    """
    import pandas as pd

    sums: dict[str, float] = {}
    for use in asked.uses:
        sums[use.part] = sums.get(use.part, 0) + getattr(use.layer, measure)
    rest = getattr(asked.profile.total, measure) - sum(sums.values())
    sums["other"] = sums.get("other", 0) + rest
    table = pd.Series(sums).sort_values(ascending=False).to_frame(measure)
    table = table[table[measure] > 0].rename_axis("part")
    return table.assign(share=table[measure] / table[measure].sum())


def _by_another_name(share: float, least: float) -> str | None:
    """What to say where shared linear layers, as convolutions, turn a verdict."""
    if share <= least:
        return None
    return (
        "Linear layers that are used at many places with the same weights are "
        f"convolutions by another name; counted as such, they make it {share:.1%}."
    )


@of_any("alexnet/early-memory")
def early_memory(asked: Asked) -> Evidence:
    table = _shares(asked, "memory_kb")
    total = float(table["memory_kb"].sum())

    def early(*parts: str) -> tuple[int, int, float]:
        layers = [use.layer for use in asked.part(*parts)]
        first = layers[: max(1, round(EARLY * len(layers)))]
        own = sum(layer.memory_kb for layer in first)
        return len(first), len(layers), own / total

    if not asked.part(CONVOLUTION):
        return _absent("convolutions")
    first, all_, share = early(CONVOLUTION)
    which = f"the first {first} of {all_} convolutions write"
    if first == 1:
        which = f"the {'only' if all_ == 1 else 'first'} convolution writes"
    *_, together = early(CONVOLUTION, SHARED)
    holds = share > alexnet.MOST
    return Evidence(
        holds=holds,
        measured=f"In {asked.name} {which} {share:.1%} of the memory of all "
        f"outputs; the statement holds above {alexnet.MOST:.0%}.",
        table=table,
        caveat=None if holds else _by_another_name(together, alexnet.MOST),
    )


@of_any("alexnet/fc-params")
def fc_params(asked: Asked) -> Evidence:
    table = _shares(asked, "params")
    if table.empty:
        return _absent("parameters")
    share, shared = (float(table["share"].get(part, 0)) for part in (FULLY, SHARED))
    layers = asked.part(FULLY)
    told = (
        f" Linear layers used at many places hold {shared:.1%}." if shared else ""
    )
    return Evidence(
        holds=share > alexnet.NEARLY_ALL,
        measured=f"In {asked.name} {_count(len(layers), 'fully connected layer')} "
        f"hold{'s' if len(layers) == 1 else ''} {share:.1%} of the parameters; the "
        f"statement holds above {alexnet.NEARLY_ALL:.0%}.{told}",
        table=table,
    )


@of_any("alexnet/conv-flops")
def conv_flops(asked: Asked) -> Evidence:
    table = _shares(asked, "flops")
    if table.empty:
        return _absent("multiply-adds")
    parts = CONVOLUTION, SHARED
    share, shared = (float(table["share"].get(part, 0)) for part in parts)
    n = len(asked.part(CONVOLUTION))
    own = f"{_count(n, 'convolution')} do{'es' if n == 1 else ''}"
    holds = share > alexnet.MOST
    return Evidence(
        holds=holds,
        measured=f"In {asked.name} {own} {share:.1%} of the multiply-adds; the "
        f"statement holds above {alexnet.MOST:.0%}.",
        table=table,
        caveat=None if holds else _by_another_name(share + shared, alexnet.MOST),
    )


# VGG's rules.


def _all_are(
    asked: Asked, uses: list[Use], rule: tuple, what: str, words: str
) -> Evidence:
    import pandas as pd

    if not uses:
        return _absent(what)
    found = [use.geometry for use in uses]
    names = [f"{k[0]}×{k[1]}, stride {s[0]}, padding {p[0]}" for k, s, p in found]
    table = pd.Series(names).value_counts().rename_axis("kind").to_frame("layers")
    as_stated = sum(geometry == rule for geometry in found)
    return Evidence(
        holds=as_stated == len(found),
        measured=f"In {asked.name} {as_stated} of {_count(len(found), what)} "
        f"ha{'s' if len(found) == 1 else 've'} {words}; the most frequent kind is "
        f"{table.index[0]} ({table.layers.iloc[0]}).",
        table=table,
    )


@of_any("vgg/convolutions")
def convolutions(asked: Asked) -> Evidence:
    rule = ((3, 3), (1, 1), (1, 1))
    words = "kernel 3×3, stride 1 and padding 1"
    return _all_are(asked, asked.part(CONVOLUTION), rule, "convolution", words)


@of_any("vgg/max-pools")
def max_pools(asked: Asked) -> Evidence:
    rule = ((2, 2), (2, 2), (0, 0))
    pools = [
        use
        for use in asked.part("pool")
        if use.call.function.lower().replace("_", "").startswith("maxpool")
    ]
    return _all_are(asked, pools, rule, "max pool", "kernel 2×2 and stride 2")


@of_any("vgg/double-channels")
def double_channels(asked: Asked) -> Evidence:
    table = asked.stages
    factors = (table.channels / table.channels.shift()).iloc[1:]
    if factors.empty:
        return _absent("second resolution")
    doubled = int((factors == 2).sum())
    sides, widths = ("-".join(map(str, table[c])) for c in ("side", "channels"))
    holds = doubled > len(factors) / 2
    return Evidence(
        holds=holds,
        measured=f"In {asked.name} the resolutions {sides} have {widths} channels: "
        f"they double in {doubled} of {len(factors)} steps.",
        table=table,
        caveat="Not in every step." if holds and doubled < len(factors) else None,
    )


@of_any("vgg/five-stages")
def five_stages(asked: Asked) -> Evidence:
    table = asked.stages
    if table.empty:
        return _absent("map of several positions")
    return Evidence(
        holds=len(table) == 5,
        measured=f"{asked.name} has layers at {_count(len(table), 'resolution')}: "
        f"{', '.join(map(str, table.side))} positions a side.",
        table=table,
    )


@of_any("vgg/equal-compute")
def equal_compute(asked: Asked) -> Evidence:
    table = asked.stages
    if len(table) < 2:
        return _absent("second resolution")
    most = table.flops.max()
    even = int((table.flops * EVEN >= most).sum())
    listed = ", ".join(f"{value / 1e6:,.1f}" for value in table.flops)
    holds = even >= max(2, len(table) - 1)
    return Evidence(
        holds=holds,
        measured=f"In {asked.name} the costliest layer of each resolution does "
        f"{listed} million multiply-adds: {even} of {len(table)} as much as the "
        "largest, up to a tenth.",
        table=table,
        caveat="Not at each resolution." if holds and even < len(table) else None,
    )


# GoogLeNet's and ResNet's ends.


def _until(asked: Asked, side: int) -> list[Use]:
    """The layers up to the first map of at most `side` positions a side, if any.

    A gate looks at the whole image on the way: one position is no map.
    """
    for i, use in enumerate(asked.uses):
        if use.map is not None and use.map[2] <= side:
            return asked.uses[: i + 1]
    return []


@of_any("googlenet/stem")
def stem(asked: Asked) -> Evidence:
    import pandas as pd

    from cnnbook import models

    channels, height, width = asked.profile.input_size
    with torch.device("meta"):
        own = models.vgg16(in_channels=channels)
    vgg = Asked(own, profile(own, (channels, max(height, 32), max(width, 32))))
    rows = {}
    for name, of in ((asked.name, asked), ("VGG-16", vgg)):
        layers = [use.layer for use in _until(of, width // STEM)]
        if not layers:
            return _absent(f"map of {width // STEM} positions a side or less")
        rows[name] = {
            measure: sum(getattr(layer, measure) for layer in layers)
            for measure in ("memory_kb", "params", "flops")
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    ratio = table.iloc[1] / table.iloc[0]
    return Evidence(
        holds=bool((ratio > 2).all()),
        measured=f"From {width} to {width // STEM} pixels or less VGG-16 spends "
        f"{ratio.memory_kb:.1f} times the memory, {ratio.params:.1f} times the "
        f"parameters and {ratio.flops:.1f} times the multiply-adds of "
        f"{asked.name}; the statement holds if each is more than twice.",
        table=table,
    )


def _read(asked: Asked, use: Use) -> Use | None:
    """The layer that `use` reads, alone, through activations and norms; or None."""
    calls = asked.profile.calls
    place = use.place
    while len(calls[place].reads) == 1:
        (place,) = calls[place].reads
        if place in asked.at:
            return asked.at[place]
    return None


@of_any("googlenet/bottleneck")
def bottleneck(asked: Asked) -> Evidence:
    import pandas as pd

    rows = {}
    for use in asked.part(CONVOLUTION)[1:]:
        if use.geometry[0] == (1, 1):
            continue
        reads, before = use.input.shape[1], _read(asked, use)
        reduced = False
        if before is not None and before.layer.kind == "conv":
            one = before.geometry[0] == (1, 1)
            reduced = one and before.call.shape[1] == reads < before.input.shape[1]
        rows[use.layer.name] = {"reads": reads, "reduced": reduced}
    if not rows:
        return _absent("convolutions larger than 1×1 after the first")
    table = pd.DataFrame.from_dict(rows, orient="index")
    share = table.reduced.mean()
    holds = bool(share > 0.5)
    return Evidence(
        holds=holds,
        measured=f"In {asked.name} {int(table.reduced.sum())} of "
        f"{_count(len(table), 'convolution')} larger than 1×1, the first aside, "
        f"read{'s' if len(table) == 1 else ''} a 1×1 with fewer outputs than "
        "inputs and nothing else.",
        table=table,
        caveat="Not all of them." if holds and share < 1 else None,
    )


def _pooled(asked: Asked, one_linear: bool) -> Evidence:
    """Whether the last fully connected layers read an average over all positions.

    Goes back from the output, past what only activates, normalises or reshapes.
    """
    import pandas as pd

    calls = asked.profile.calls
    place, linear = len(calls) - 1, 0
    while calls[place].reads:
        use, call, read = asked.at.get(place), calls[place], calls[place].reads[0]
        number = math.prod(call.shape)
        passes = use is None or use.layer.kind == "pool"
        if use is not None and use.part == FULLY:
            linear += 1
        elif not passes or number != math.prod(calls[read].shape):
            break
        place = read
    if not calls[place].reads:
        return _absent("layer before its fully connected ones")
    name = call.function.lower()
    averages = ("avg" in name or "mean" in name) and max(call.shape) == number
    features = "×".join(map(str, calls[read].shape[1:]))
    found, told = "no average", ""
    if averages:
        found, told = "an average", f", {number:,} numbers of {features}"
    columns = {
        "last map": features,
        "averaged": averages,
        "fully connected": linear,
    }
    return Evidence(
        holds=averages and (linear == 1 or not one_linear),
        measured=f"In {asked.name} {found} over all positions comes before "
        f"{_count(linear, 'fully connected layer')} at the end{told}.",
        table=pd.DataFrame(columns, index=[asked.name]),
    )


@of_any("googlenet/global-average-pooling")
def pooled_and_one_linear(asked: Asked) -> Evidence:
    return _pooled(asked, one_linear=True)


@of_any("resnet/global-average-pooling")
def pooled(asked: Asked) -> Evidence:
    return _pooled(asked, one_linear=False)


@of_any("resnet/stages")
def strided_stages(asked: Asked) -> Evidence:
    table = asked.stages
    halved = []
    for side in table.side.iloc[1:]:
        first = next(use for use in asked.uses if use.map and use.map[2] == side)
        halved.append(first.part == CONVOLUTION)
    factors = (table.channels / table.channels.shift()).iloc[1:]
    rule = [by and factor == 2 for by, factor in zip(halved, factors, strict=True)]
    if not rule:
        return _absent("second resolution")
    holds = sum(rule) > len(rule) / 2
    return Evidence(
        holds=holds,
        measured=f"In {asked.name} {sum(rule)} of {len(rule)} steps to a lower "
        "resolution are taken by a convolution and double the channels "
        f"({'-'.join(map(str, table.channels))}).",
        table=table,
        caveat="Not in every step." if holds and sum(rule) < len(rule) else None,
    )


@of_any("resnet/stem")
def resnet_stem(asked: Asked) -> Evidence:
    import pandas as pd

    width = asked.profile.input_size[2]
    uses = _until(asked, width // 4)
    if not uses:
        return _absent("map of a quarter of the image's side or less")
    kinds = []
    for use in uses:
        kind = use.layer.kind
        if "kernel_size" in use.call.settings:
            (kernel, _), (stride, _), _ = use.geometry
            kind += f" {kernel}×{kernel}, stride {stride}"
        kinds.append(kind)
    layers = [use.layer for use in uses]
    table = pd.DataFrame(
        {"kind": kinds, "output": [layer.output for layer in layers]},
        index=[layer.name for layer in layers],
    )
    return Evidence(
        holds=kinds == ["conv 7×7, stride 2", "pool 3×3, stride 2"],
        measured=f"{asked.name} comes to a quarter of the side or less by "
        f"{'; '.join(kinds)}.",
        table=table,
    )
