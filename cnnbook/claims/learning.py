"""Statements of the papers on how a network is started and how it steps, which the
notes take for granted."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnbook.claims._mechanism import Evidence, claim

DEPTH, UNITS = 20, 256
# A factor a layer by which a mean square may go up or down and still be kept.
KEPT = 1.2
Start = Callable[[Tensor], Tensor]
STARTS: dict[str, Start] = {
    "He": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "Glorot": nn.init.xavier_normal_,
}


@claim(
    "learning/he-start",
    chapter="learning",
    statement="A proper initialization method should avoid reducing or magnifying "
    "the magnitudes of input signals exponentially. … A sufficient condition is: "
    "½ nₗ Var[wₗ] = 1.",
    source="He et al., Delving Deep into Rectifiers, 2015, section 2.2",
)
def he_start(starts: dict[str, Start] | None = None) -> Evidence:
    """What is left of the mean square after twenty layers with ReLUs.

    Args:
        starts: what fills a layer's weights, by name: He's, the one to be tested,
            and Glorot's to set it against.
    """
    factors = {
        name: _factor_a_layer(start) for name, start in (starts or STARTS).items()
    }
    table = pd.DataFrame(
        {
            "mean square, a layer": factors,
            f"after {DEPTH} layers": {
                name: factor**DEPTH for name, factor in factors.items()
            },
        }
    ).rename_axis("start")
    his, glorot = factors["He"], factors["Glorot"]
    return Evidence(
        holds=1 / KEPT < his < KEPT,
        measured=f"Through {DEPTH} layers of {UNITS} units with ReLUs the mean "
        f"square of a signal changes by a factor of {his:.2f} a layer from weights "
        f"of that variance, and of {glorot:.2f} from Glorot's, whose variance is "
        f"half of it here: {his**DEPTH:.1f} and {glorot**DEPTH:.7f} through all.",
        table=table,
        method=f"Kept is a factor a layer between {1 / KEPT:.2f} and {KEPT:g}. The "
        "layers read and write as many units, so that Glorot's variance is 1/n.",
    )


def _factor_a_layer(start: Start) -> float:
    """By which the mean square of a random signal is multiplied in each of `DEPTH`
    layers with a ReLU, in the geometric mean."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        x = torch.randn(512, UNITS, dtype=torch.double)
        before = x.square().mean()
        for _ in range(DEPTH):
            weight = start(torch.empty(UNITS, UNITS, dtype=torch.double))
            x = F.relu(x @ weight.T)
    return ((x.square().mean() / before) ** (1 / DEPTH)).item()


Make = Callable[[list[Tensor], float], torch.optim.Optimizer]
RATE, DECAY, STEPS = 0.01, 0.1, 20
# By their parameters and the factor of an L2 penalty.
OPTIMIZERS: dict[str, Make] = {
    "SGD": lambda weights, penalty: torch.optim.SGD(
        weights, RATE, weight_decay=penalty
    ),
    "SGD with momentum": lambda weights, penalty: torch.optim.SGD(
        weights, RATE, momentum=0.9, weight_decay=penalty
    ),
    "Adam": lambda weights, penalty: torch.optim.Adam(
        weights, RATE, weight_decay=penalty
    ),
}
SAME = 1e-12  # of the weights' size: rounding in double precision


@claim(
    "learning/weight-decay",
    chapter="learning",
    statement="L2 regularization and weight decay regularization are equivalent "
    "for standard stochastic gradient descent (when rescaled by the learning "
    "rate), but … this is not the case for adaptive gradient algorithms, such as "
    "Adam.",
    source="Loshchilov and Hutter 2019, section 2",
)
def weight_decay(optimizers: dict[str, Make] | None = None) -> Evidence:
    """How far apart a penalty and a decay of the same size lead.

    Args:
        optimizers: "SGD", "SGD with momentum" and "Adam", each made of the weights
            and the factor of a penalty.
    """
    optimizers = optimizers or OPTIMIZERS
    apart = {name: _apart(make) for name, make in optimizers.items()}
    with_momentum = apart["SGD with momentum"]
    return Evidence(
        holds=apart["SGD"] < SAME < apart["Adam"],
        measured=f"After {STEPS} steps from the same weights, with a penalty and "
        "with the decay that it stands for, the weights are "
        f"{_share(apart['SGD'])} with SGD, and {_share(apart['Adam'])} with Adam.",
        table=pd.DataFrame({"apart": apart}).rename_axis("optimiser"),
        caveat=None
        if with_momentum < SAME
        else "Standard means without momentum. With momentum, which nearly all "
        "training has, the penalty's gradient is remembered and the decay is not: "
        f"the weights are {_share(with_momentum)}.",
        method="The distance of the weights is a share of their length. One linear "
        f"layer in double precision; a rate of {RATE:g}, a decay of {DECAY:g}.",
    )


def _apart(make: Make) -> float:
    """How far the weights are apart, by a penalty and by a decay, as a share of
    their length."""
    decayed, penalised = (
        _trained(make, decay, penalty)
        for decay, penalty in ((DECAY, 0), (0, DECAY))
    )
    return ((decayed - penalised).norm() / decayed.norm()).item()


def _trained(make: Make, decay: float, penalty: float) -> Tensor:
    """The weights of a linear layer after some steps on random images."""
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 20, generator=draw, dtype=torch.double)
    labels = torch.randint(5, (64,), generator=draw)
    weight = torch.randn(5, 20, generator=draw, dtype=torch.double).requires_grad_()
    optimizer = make([weight], penalty)
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(inputs @ weight.T, labels).backward()
        with torch.no_grad():
            weight.mul_(1 - RATE * decay)
        optimizer.step()
    return weight.detach()


def _share(value: float) -> str:
    return "the same" if value < SAME else f"{value:.2g} of their length apart"
