"""Claims that can be asked of any network: is it so in *yours*?

Each check here decides by the rule of the claim of that name, on the network's own
layers. What a statement says of one architecture (two convolutions of five, five
stages) is put so that it has an answer for others: each says how. The network is
neither run with its weights nor changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from cnnbook.claims import alexnet, measuring
from cnnbook.claims._mechanism import Evidence
from cnnbook.profiling import Layer, Profile, profile

if TYPE_CHECKING:
    import pandas as pd

# Of AlexNet's five convolutions two are early; of other networks' the same share.
EARLY = 2 / 5
EVEN = 1.1  # up to so many times the least, computation counts as the same
STEM = 8  # the stem brings the side down to an eighth, as from 224 to 28 pixels


class Asked(NamedTuple):
    """A network as a check sees it: module, profile, and modules by name."""

    network: nn.Module
    profile: Profile
    modules: dict[str, nn.Module]

    def kind(self, *kinds: str) -> list[Layer]:
        return [layer for layer in self.profile.layers if layer.kind in kinds]

    @property
    def stages(self) -> pd.DataFrame:
        """Convolutions of one resolution after another: a row per stage.

        Columns: ``side``, ``convolutions``, ``channels`` and ``flops`` (of the
        widest and of the costliest).
        """
        import pandas as pd

        rows: list[dict[str, int]] = []
        for layer in self.kind("conv"):
            side = layer.output[-1]
            if len(layer.output) != 3 or side < 2:
                continue  # a gate of one position is no stage
            if not rows or rows[-1]["side"] > side:
                rows.append(
                    {"side": side, "convolutions": 0, "channels": 0, "flops": 0}
                )
            # Not the branches that look at a coarser image on the way.
            if rows[-1]["side"] == side:
                rows[-1]["convolutions"] += 1
                rows[-1]["channels"] = max(rows[-1]["channels"], layer.output[0])
                rows[-1]["flops"] = max(rows[-1]["flops"], layer.flops)
        columns = ["side", "convolutions", "channels", "flops"]
        table = pd.DataFrame(rows, columns=columns)
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
            cannot be profiled.
    """
    if id not in CHECKS:
        raise ValueError(
            f"{id} is about the book's own networks or runs and cannot be asked of "
            f"another; these can: {', '.join(CHECKS)}"
        )
    found = profile(model, input_size)
    return CHECKS[id](Asked(model, found, dict(model.named_modules())))


def _absent(what: str) -> Evidence:
    return Evidence(
        False, f"The network has no {what}: the statement is not about it."
    )


# The three measures.


def _formula(asked: Asked, check: Callable, what: str) -> Evidence:
    """The notes' formula on each convolution and linear layer, against what torch
    makes of it."""
    import copy

    twin = copy.deepcopy(asked.network).to("meta")
    return check({"": twin}, asked.profile.input_size, f"of {asked.profile.name}")


@of_any("measuring/memory")
def memory(asked: Asked) -> Evidence:
    return _formula(asked, measuring.memory, "memory")


@of_any("measuring/params")
def params(asked: Asked) -> Evidence:
    return _formula(asked, measuring.params, "params")


@of_any("measuring/flops")
def flops(asked: Asked) -> Evidence:
    return _formula(asked, measuring.flops, "flops")


# AlexNet's three.


def _share(
    asked: Asked, measure: str, part: list[Layer], least: float, words: str
) -> Evidence:
    import pandas as pd

    own = sum(getattr(layer, measure) for layer in part)
    total = sum(getattr(layer, measure) for layer in asked.profile.layers)
    share = own / total if total else 0.0
    table = pd.DataFrame(
        {measure: [own], "total": [total], "share": [share]},
        index=[asked.profile.name],
    )
    return Evidence(
        holds=share > least,
        measured=f"In {asked.profile.name} {words} {share:.1%}; the statement "
        f"holds above {least:.0%}.",
        table=table,
    )


@of_any("alexnet/early-memory")
def early_memory(asked: Asked) -> Evidence:
    convolutions = asked.kind("conv")
    if not convolutions:
        return _absent("convolutions")
    early = convolutions[: max(1, round(EARLY * len(convolutions)))]
    words = (
        f"the first {len(early)} of {len(convolutions)} convolutions write, of all "
        "outputs,"
    )
    return _share(asked, "memory_kb", early, alexnet.MOST, words)


@of_any("alexnet/fc-params")
def fc_params(asked: Asked) -> Evidence:
    words = (
        f"the linear layers ({len(asked.kind('linear'))}) hold, of the layers' "
        "parameters,"
    )
    return _share(asked, "params", asked.kind("linear"), alexnet.NEARLY_ALL, words)


@of_any("alexnet/conv-flops")
def conv_flops(asked: Asked) -> Evidence:
    words = (
        f"the convolutions ({len(asked.kind('conv'))}) do, of the multiply-adds,"
    )
    return _share(asked, "flops", asked.kind("conv"), alexnet.MOST, words)


# VGG's rules.


def _all_are(
    asked: Asked, kind: type, rule: tuple, what: str, words: str
) -> Evidence:
    import pandas as pd

    def pair(value):
        return value if isinstance(value, tuple) else (value, value)

    found = [
        tuple(
            pair(getattr(m, name)) for name in ("kernel_size", "stride", "padding")
        )
        for m in asked.modules.values()
        if isinstance(m, kind)
    ]
    if not found:
        return _absent(what)
    names = [
        f"{k[0]}×{k[1]}, stride {s[0]}, padding {p if isinstance(p, str) else p[0]}"
        for k, s, p in found
    ]
    table = pd.Series(names).value_counts().rename_axis("kind").to_frame("layers")
    as_stated = sum(geometry == rule for geometry in found)
    return Evidence(
        holds=as_stated == len(found),
        measured=f"In {asked.profile.name} {as_stated} of {len(found)} {what} have "
        f"{words}; the most frequent kind is {table.index[0]} "
        f"({table.layers.iloc[0]}).",
        table=table,
    )


@of_any("vgg/convolutions")
def convolutions(asked: Asked) -> Evidence:
    rule = ((3, 3), (1, 1), (1, 1))
    words = "kernel 3×3, stride 1 and padding 1"
    return _all_are(asked, nn.Conv2d, rule, "convolutions", words)


@of_any("vgg/max-pools")
def max_pools(asked: Asked) -> Evidence:
    rule = ((2, 2), (2, 2), (0, 0))
    return _all_are(
        asked, nn.MaxPool2d, rule, "max pools", "kernel 2×2 and stride 2"
    )


@of_any("vgg/double-channels")
def double_channels(asked: Asked) -> Evidence:
    table = asked.stages
    factors = (table.channels / table.channels.shift()).iloc[1:]
    if factors.empty:
        return _absent("second resolution")
    doubled = int((factors == 2).sum())
    widths = "-".join(map(str, table.channels))
    return Evidence(
        holds=doubled > len(factors) / 2,
        measured=f"In {asked.profile.name} the resolutions "
        f"{'-'.join(map(str, table.side))} have {widths} channels: they double in "
        f"{doubled} of {len(factors)} steps.",
        table=table,
        caveat=None if doubled in (0, len(factors)) else "Not in every step.",
    )


@of_any("vgg/five-stages")
def five_stages(asked: Asked) -> Evidence:
    table = asked.stages
    return Evidence(
        holds=len(table) == 5,
        measured=f"{asked.profile.name} has convolutions at {len(table)} "
        f"resolutions: {', '.join(map(str, table.side))} positions a side.",
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
    return Evidence(
        holds=even >= max(2, len(table) - 1),
        measured=f"In {asked.profile.name} the costliest convolution of each "
        f"resolution does {listed} million multiply-adds: {even} of {len(table)} "
        "as much as the largest, up to a tenth.",
        table=table,
        caveat=None if even in (1, len(table)) else "Not at each resolution.",
    )


# GoogLeNet's and ResNet's ends.


def _until(layers: tuple[Layer, ...], side: int) -> list[Layer]:
    for i, layer in enumerate(layers):
        if len(layer.output) == 3 and layer.output[-1] <= side:
            return list(layers[: i + 1])
    return []


@of_any("googlenet/stem")
def stem(asked: Asked) -> Evidence:
    import pandas as pd

    from cnnbook import models

    channels, height, width = asked.profile.input_size
    with torch.device("meta"):
        own = models.vgg16(in_channels=channels)
    vgg = profile(own, (channels, max(height, 32), max(width, 32)))
    rows = {}
    for name, p in ((asked.profile.name, asked.profile), ("VGG-16", vgg)):
        layers = _until(p.layers, width // STEM)
        if not layers:
            return _absent(f"output of {width // STEM} positions a side or less")
        rows[name] = {
            measure: sum(getattr(layer, measure) for layer in layers)
            for measure in ("memory_kb", "params", "flops")
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    ratio = table.iloc[1] / table.iloc[0]
    return Evidence(
        holds=bool((ratio > 2).all()),
        measured=f"From {width} to {width // STEM} pixels VGG-16 spends "
        f"{ratio.memory_kb:.1f} times the memory, {ratio.params:.1f} times the "
        f"parameters and {ratio.flops:.1f} times the multiply-adds of "
        f"{asked.profile.name}; the statement holds if each is more than twice.",
        table=table,
    )


@of_any("googlenet/bottleneck")
def bottleneck(asked: Asked) -> Evidence:
    import pandas as pd

    rows, before = {}, None
    for layer in asked.kind("conv"):
        module = asked.modules.get(layer.name)
        if not isinstance(module, nn.Conv2d):
            continue
        if (
            max(module.kernel_size) > 1
            and layer.output[-1] > 1
            and before is not None
        ):
            reduced = (
                before.kernel_size == (1, 1)
                and before.out_channels == module.in_channels < before.in_channels
            )
            rows[layer.name] = {"reads": module.in_channels, "reduced": reduced}
        before = module
    if not rows:
        return _absent("convolutions larger than 1×1 after the first")
    table = pd.DataFrame.from_dict(rows, orient="index")
    share = table.reduced.mean()
    return Evidence(
        holds=bool(share > 0.5),
        measured=f"In {asked.profile.name} {int(table.reduced.sum())} of "
        f"{len(table)} convolutions larger than 1×1, the first aside, come right "
        "after a 1×1 with fewer outputs than inputs.",
        table=table,
        caveat=None if share in (0, 1) else "Not all of them.",
    )


def _pooled(asked: Asked, one_linear: bool) -> Evidence:
    """Whether each channel of the last map becomes one number, which linear layers
    then read."""
    import pandas as pd

    layers = asked.profile.layers
    maps = [
        i
        for i, layer in enumerate(layers)
        if len(layer.output) == 3 and layer.output[-1] > 1
    ]
    if not maps:
        return _absent("map of several positions")
    pools = [
        i
        for i, layer in enumerate(layers)
        if i > maps[-1] and layer.kind == "pool" and layer.output[1:] == (1, 1)
    ]
    place = pools[-1] if pools else maps[-1]
    read = layers[place].output[0]
    linear = [layer for layer in layers[place + 1 :] if layer.kind == "linear"]
    # A mean over positions is no layer: then what reads the channels shows that it
    # was taken.
    first = asked.modules.get(linear[0].name) if linear else None
    by_mean = (
        not pools
        and len(linear) < 4
        and getattr(first, "in_features", None) == read
    )
    features = "×".join(map(str, layers[maps[-1]].output))
    columns = {
        "last map": [features],
        "read": [read],
        "linear layers": [len(linear)],
    }
    how = (
        f"{read:,} numbers" if pools or by_mean else "no average over all positions"
    )
    return Evidence(
        holds=(bool(pools) or by_mean) and (len(linear) == 1 or not one_linear),
        measured=f"In {asked.profile.name} {how} and {len(linear)} linear "
        f"layer{'' if len(linear) == 1 else 's'} come after the last layer with "
        f"positions, {features}.",
        table=pd.DataFrame(columns, index=[asked.profile.name]),
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
    last = asked.profile.layers
    halved = []
    for side in table.side.iloc[1:]:
        first = next(
            layer
            for layer in last
            if len(layer.output) == 3 and layer.output[-1] == side
        )
        halved.append(first.kind == "conv")
    factors = (table.channels / table.channels.shift()).iloc[1:]
    rule = [by and factor == 2 for by, factor in zip(halved, factors, strict=True)]
    if not rule:
        return _absent("second resolution")
    return Evidence(
        holds=sum(rule) > len(rule) / 2,
        measured=f"In {asked.profile.name} {sum(rule)} of {len(rule)} steps to a "
        "lower resolution are taken by a convolution and double the channels "
        f"({'-'.join(map(str, table.channels))}).",
        table=table,
        caveat=None if sum(rule) in (0, len(rule)) else "Not in every step.",
    )


@of_any("resnet/stem")
def resnet_stem(asked: Asked) -> Evidence:
    import pandas as pd

    width = asked.profile.input_size[2]
    layers = _until(asked.profile.layers, width // 4)
    kinds = []
    for layer in layers:
        module = asked.modules.get(layer.name)
        kernel, stride = (
            getattr(module, name, None) for name in ("kernel_size", "stride")
        )
        kernel, stride = (
            v[0] if isinstance(v, tuple) else v for v in (kernel, stride)
        )
        kinds.append(f"{layer.kind} {kernel}×{kernel}, stride {stride}")
    if not kinds:
        return _absent("output of a quarter of the image's side")
    table = pd.DataFrame(
        {"kind": kinds, "output": [layer.output for layer in layers]},
        index=[layer.name for layer in layers],
    )
    return Evidence(
        holds=kinds == ["conv 7×7, stride 2", "pool 3×3, stride 2"],
        measured=f"{asked.profile.name} comes to a quarter of the side by "
        f"{'; '.join(kinds)}.",
        table=table,
    )
