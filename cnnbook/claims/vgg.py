"""The notes' statements on VGG: three design rules, five stages, small kernels,
equal computation.

All are checked on the networks' own layers; none needs training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import TYPE_CHECKING

import torch
from torch import nn

from cnnbook import models
from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.claims._networks import Networks, build
from cnnbook.interpret import measured_receptive_field
from cnnbook.models.stacks import stack
from cnnbook.profiling import profile

if TYPE_CHECKING:
    import pandas as pd

NOTES = "Lecture notes, VGG (2014)"
PAPER = "Simonyan and Zisserman 2015"
NAMES = ("vgg11", "vgg13", "vgg16", "vgg19")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(models.title, names))


def _counted(counts: pd.Series) -> str:
    return ", ".join(f"{n} in {models.title(name)}" for name, n in counts.items())


def _features(
    networks: Networks | None, kind: type[nn.Module] | UnionType
) -> dict[str, list[nn.Module]]:
    """Each network's layers of a kind in its convolutional part, in order."""
    networks = build(*NAMES) if networks is None else networks
    found = {}
    for name, network in networks.items():
        part = network.get_submodule("features")
        layers = part.named_modules(remove_duplicate=False)
        found[name] = [layer for _, layer in layers if isinstance(layer, kind)]
    return found


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _geometry(layer: nn.Module) -> tuple[tuple[int, int], ...]:
    return tuple(
        _pair(getattr(layer, name)) for name in ("kernel_size", "stride", "padding")
    )


def _count(
    layers: dict[str, list[nn.Module]], rule: tuple[tuple[int, int], ...]
) -> pd.DataFrame:
    """A row per network: its layers, and how many have that kernel, stride and
    padding."""
    import pandas as pd

    rows = {
        name: {
            "layers": len(own),
            "as stated": sum(_geometry(layer) == rule for layer in own),
        }
        for name, own in layers.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def stages(networks: Networks | None = None) -> pd.DataFrame:
    """A row per network and stage (1, 2, …): its convolutions' number and channels.

    A max pool ends a stage. Columns: ``convolutions``, ``channels`` (of the last
    one).
    """
    import pandas as pd

    rows = []
    for name, own in _features(networks, nn.Conv2d | nn.MaxPool2d).items():
        stage, convolutions = 1, []
        for layer in own:
            if isinstance(layer, nn.Conv2d):
                convolutions.append(layer)
                continue
            channels = convolutions[-1].out_channels if convolutions else 0
            rows.append((name, stage, len(convolutions), channels))
            stage, convolutions = stage + 1, []
        if convolutions:  # not closed by a pool
            rows.append(
                (name, stage, len(convolutions), convolutions[-1].out_channels)
            )
    columns = ["network", "stage", "convolutions", "channels"]
    return pd.DataFrame(rows, columns=columns).set_index(["network", "stage"])


@claim(
    "vgg/convolutions",
    chapter="vgg",
    statement="All convolutions are 3x3 stride 1 pad 1.",
    source=f"{NOTES}; {PAPER}, section 2.1 and table 1",
)
def convolutions(networks: Networks | None = None) -> Evidence:
    table = _count(_features(networks, nn.Conv2d), ((3, 3), (1, 1), (1, 1)))
    found, all_ = table["as stated"].sum(), table["layers"].sum()
    return Evidence(
        holds=bool(found == all_),
        measured=f"{found} of {all_} convolutions of {_listed(table.index)} have "
        "kernel 3×3, stride 1 and padding 1.",
        table=table,
        caveat="The paper's table 1 also has a configuration C, with three 1×1 "
        "convolutions. It is better than B without them, and worse than D with 3×3 "
        "there (section 4.1).",
    )


@claim(
    "vgg/max-pools",
    chapter="vgg",
    statement="All max pools are 2x2 stride 2.",
    source=f"{NOTES}; {PAPER}, section 2.1",
)
def max_pools(networks: Networks | None = None) -> Evidence:
    table = _count(_features(networks, nn.MaxPool2d), ((2, 2), (2, 2), (0, 0)))
    found, all_ = table["as stated"].sum(), table["layers"].sum()
    return Evidence(
        holds=bool(found == all_),
        measured=f"{found} of {all_} max pools of {_listed(table.index)} have "
        "kernel 2×2 and stride 2.",
        table=table,
    )


@claim(
    "vgg/double-channels",
    chapter="vgg",
    statement="After pooling, double the number of channels.",
    source=f"{NOTES}; {PAPER}, section 2.1 and table 1",
)
def double_channels(networks: Networks | None = None) -> Evidence:
    table = stages(networks)["channels"].unstack()
    factors = table.T.pct_change().T.iloc[:, 1:] + 1
    doubled = factors.iloc[:, :-1].eq(2).all().all()
    last = factors.iloc[:, -1]
    counts = "; ".join(
        "-".join(map(str, row)) for row in table.drop_duplicates().to_numpy()
    )
    return Evidence(
        holds=bool(doubled),
        measured=f"The stages have {counts} channels in {_listed(table.index)}: "
        f"they double after {factors.eq(2).all().sum()} of the {factors.shape[1]} "
        "pools between stages.",
        table=table,
        caveat=(
            f"After the fourth pool they do not double: {table.iloc[0, -2]} stay "
            f"{table.iloc[0, -1]}."
        )
        if bool(last.eq(1).all())
        else None,
    )


@claim(
    "vgg/five-stages",
    chapter="vgg",
    statement="Have 5 convolution stages.",
    source=f"{NOTES}; {PAPER}, table 1",
)
def five_stages(networks: Networks | None = None) -> Evidence:
    table = stages(networks)["convolutions"].unstack(fill_value=0)
    counts = (table > 0).sum(axis=1)
    return Evidence(
        holds=bool((counts == 5).all()),
        measured="Runs of convolutions that end with a max pool: "
        f"{_counted(counts)}.",
        table=table,
    )


def _counts(number: int, networks: Networks | None) -> pd.DataFrame:
    """A row per network, with a column of the stage's number of convolutions."""
    return stages(networks)["convolutions"].unstack(fill_value=0)[[number]]


def _stage(
    number: int, allowed: Mapping[str, int], networks: Networks | None
) -> Evidence:
    """Whether the stage has as many convolutions as the notes write, in the
    networks they mean.

    Args:
        allowed: the number by the name of a network. The notes name VGG-19 beside
            the numbers without brackets, which in stages 4 and 5 are those of
            VGG-16.
    """
    table = _counts(number, networks)
    found = table[number]
    others = {name: count for name, count in found.items() if name not in allowed}
    differing = ", ".join(
        f"{models.title(name)} has {count}"
        for name, count in others.items()
        if count not in set(allowed.values())
    )
    return Evidence(
        holds=all(found[name] == count for name, count in allowed.items()),
        measured=f"Convolutions in stage {number}: {_counted(found)}.",
        table=table,
        method=f"The notes write those of {_listed(allowed)}; {differing}."
        if differing
        else None,
    )


@claim(
    "vgg/stage-1",
    chapter="vgg",
    statement="1. conv-conv-pool.",
    source=f"{NOTES}; {PAPER}, table 1",
)
def stage_1(networks: Networks | None = None) -> Evidence:
    return _stage(1, {"vgg16": 2, "vgg19": 2}, networks)


@claim(
    "vgg/stage-2",
    chapter="vgg",
    statement="2. conv-conv-pool.",
    source=f"{NOTES}; {PAPER}, table 1",
)
def stage_2(networks: Networks | None = None) -> Evidence:
    return _stage(2, {"vgg16": 2, "vgg19": 2}, networks)


@claim(
    "vgg/stage-3",
    chapter="vgg",
    statement="3. conv-conv-pool.",
    source=f"{NOTES}; {PAPER}, table 1",
)
def stage_3(networks: Networks | None = None) -> Evidence:
    found = _stage(3, {"vgg16": 2, "vgg19": 2}, networks)
    counts = _counts(3, networks)[3]
    true_of = _listed(counts.index[counts == 2]) or "none"
    caveat = (
        f"It is true of {true_of}. The other lines of the notes are those of "
        "VGG-16 and VGG-19."
    )
    return Evidence(found.holds, found.measured, found.table, caveat)


@claim(
    "vgg/stage-4",
    chapter="vgg",
    statement="4. conv-conv-conv-[conv]-pool.",
    source=f"{NOTES}; {PAPER}, table 1",
)
def stage_4(networks: Networks | None = None) -> Evidence:
    return _stage(4, {"vgg16": 3, "vgg19": 4}, networks)


@claim(
    "vgg/stage-5",
    chapter="vgg",
    statement="5. conv-conv-conv-[conv]-pool (VGG19 has 4 convolutions in stages 4 "
    "and 5).",
    source=f"{NOTES}; {PAPER}, table 1",
)
def stage_5(networks: Networks | None = None) -> Evidence:
    fourth = _stage(4, {"vgg16": 3, "vgg19": 4}, networks)
    fifth = _stage(5, {"vgg16": 3, "vgg19": 4}, networks)
    return Evidence(
        holds=fourth.holds and fifth.holds,
        measured=f"{fourth.measured} {fifth.measured}",
        table=_counts(4, networks).join(_counts(5, networks)),
        method=fifth.method,
    )


# Of the stacks compared; the ratios hold for any number of them, but for the
# biases.
CHANNELS = 64


def _stacks(networks: Networks | None) -> dict[str, nn.Module]:
    if networks is not None:
        return dict(networks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {"two 3×3": stack(CHANNELS, 3, 2), "one 5×5": stack(CHANNELS, 5, 1)}


def _reads(network: nn.Module) -> int:
    """The channels that its first convolution reads."""
    layers = network.modules()
    return next(m for m in layers if isinstance(m, nn.Conv2d)).in_channels


@claim(
    "vgg/two-3x3-receptive-field",
    chapter="vgg",
    statement="Two 3x3 convolutions have the same receptive field as a single 5x5 "
    "convolution.",
    source=f"{NOTES}; {PAPER}, section 2.3",
)
def two_3x3_receptive_field(networks: Networks | None = None) -> Evidence:
    import pandas as pd

    rows = {}
    for name, network in _stacks(networks).items():
        size = (_reads(network), 16, 16)
        *_, (last, _) = network.named_children()
        rows[name] = {
            "derived": int(
                profile(network, size).table["receptive_field"].iloc[-1]
            ),
            "measured": measured_receptive_field(network, last, size)[0],
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("stack")
    return Evidence(
        holds=bool(
            (table.nunique() == 1).all()
            and (table["derived"] == table["measured"]).all()
        ),
        measured="Receptive field, by the gradient: "
        + ", ".join(
            f"{side} pixels for {name}" for name, side in table["measured"].items()
        )
        + ".",
        table=table,
    )


@claim(
    "vgg/two-3x3-cheaper",
    chapter="vgg",
    statement="But have fewer parameters and take less computation.",
    source=f"{NOTES}; {PAPER}, section 2.3",
)
def two_3x3_cheaper(networks: Networks | None = None) -> Evidence:
    import pandas as pd

    rows = {}
    for name, network in _stacks(networks).items():
        total = profile(network, (_reads(network), 56, 56)).total
        rows[name] = total._asdict()
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("stack")
    ratio = table.iloc[0] / table.iloc[1]
    return Evidence(
        holds=bool(ratio["params"] < 1 and ratio["flops"] < 1),
        measured=f"With {CHANNELS} channels at 56×56, {table.index[0]} have "
        f"{table['params'].iloc[0]:,} parameters and take "
        f"{table['flops'].iloc[0] / 1e6:,.1f} million multiply-adds, "
        f"{table.index[1]} {table['params'].iloc[1]:,} and "
        f"{table['flops'].iloc[1] / 1e6:,.1f} million: "
        f"{100 * ratio['params']:.0f} % and {100 * ratio['flops']:.0f} %.",
        table=table,
        caveat="The channels between the two must not be many more than around "
        "them: with twice as many they cost more than the 5×5.",
        method=f"They have {ratio['memory_kb']:.0f} times the memory, an output "
        "each.",
    )


@claim(
    "vgg/two-3x3-nonlinearity",
    chapter="vgg",
    statement="Additionally, two 3x3 convolutions can incorporate more "
    "non-linearity by inserting ReLU between them.",
    source=f"{NOTES}; {PAPER}, section 2.3",
)
@torch.no_grad()
def two_3x3_nonlinearity(networks: Networks | None = None) -> Evidence:
    import pandas as pd

    if networks is None:
        own = _stacks(None)
        first, _, second = own["two 3×3"].children()
        own["two 3×3, no ReLU between"] = nn.Sequential(first, second)
        networks = own
    rows = {}
    for name, network in networks.items():
        random = torch.Generator().manual_seed(0)
        a, b = torch.randn(2, 1, _reads(network), 12, 12, generator=random)
        # An affine map has f(a) + f(b) = f(a + b) + f(0).
        whole = network(a + b) + network(torch.zeros_like(a))
        departure = (
            network(a) + network(b) - whole
        ).abs().max() / whole.abs().max()
        relus = sum(isinstance(layer, nn.ReLU) for layer in network.modules())
        rows[name] = {
            "ReLUs inside": relus,
            "departure from linear": departure.item(),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("stack")
    linear = table["departure from linear"] < 1e-4
    with_relu, *without = linear
    return Evidence(
        holds=not with_relu and all(without),
        measured="Relative departure from a linear map: "
        + ", ".join(
            f"{d:.1f} for {name}"
            for name, d in table["departure from linear"].items()
        )
        + ". Without the ReLU, the two convolutions are a linear map, as the one "
        "is.",
        table=table,
        method="A single 5×5 convolution in a network has a ReLU after it as well: "
        "it is two against one, not one against none.",
    )


def compute(networks: Networks | None = None) -> pd.DataFrame:
    """Multiply-adds of each convolution at 224×224: a row per network, stage and
    place in it."""
    import pandas as pd

    rows = []
    for name, network in (build(*NAMES) if networks is None else networks).items():
        stage, place = 1, 1
        for layer in profile(network, (3, 224, 224)).layers:
            if layer.kind == "conv":
                rows.append((name, stage, place, layer.flops))
                place += 1
            elif layer.kind == "pool":
                stage, place = stage + 1, 1
    columns = ["network", "stage", "place", "flops"]
    table = pd.DataFrame(rows, columns=columns).astype({"flops": "Int64"})
    return table.set_index(["network", "stage", "place"])


@claim(
    "vgg/equal-compute",
    chapter="vgg",
    statement="Convolution layers at each spatial resolution take the same amount "
    "of computation by doubling channels and halving its spatial resolution.",
    source=NOTES,
)
def equal_compute(networks: Networks | None = None) -> Evidence:
    table = compute(networks)["flops"].unstack("stage")
    later = table[table.index.get_level_values("place") > 1]
    first = table[table.index.get_level_values("place") == 1]
    upto_4 = later[[1, 2, 3, 4]].stack().dropna()
    amount = upto_4.mode().iloc[0]
    fifth = later[5].dropna().unique()
    halves = bool((first[[2, 3, 4]] * 2 == amount).all().all())
    totals = table.groupby("network").sum().iloc[-1] / 1e9
    network = table.index.get_level_values("network")[-1]
    return Evidence(
        holds=bool((upto_4 == amount).all()),
        measured=f"Each convolution but the first of its stage takes {amount:,.0f} "
        f"multiply-adds in {(upto_4 == amount).sum()} of {len(upto_4)} cases of "
        "stages 1 to 4. In stage 5 each takes "
        f"{' or '.join(f'{100 * f / amount:.0f} %' for f in fifth)} of that.",
        table=table,
        caveat="It stops being exact in three places. In stage 5 the channels do "
        "not double, so a convolution takes a quarter. The first convolution of "
        "stages 2 to 4 reads half the channels and takes "
        f"{'half' if halves else 'another amount'}; that of stage 1 reads the "
        "image's 3. And stages differ in their number of convolutions: "
        f"{', '.join(f'{t:.2f}' for t in totals)} billion in those of "
        f"{models.title(network)}.",
    )
