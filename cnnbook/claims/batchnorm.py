"""Statements of the paper on batch normalisation, which the notes' sentence on
auxiliary heads leans on."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from math import log

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnbook.claims._mechanism import Evidence, claim
from cnnbook.data import fashion_mnist_mini
from cnnbook.interpret.normalisation import folded, loss_after, stack
from cnnbook.training.images import Normalise

Norm = Callable[[int], nn.Module] | None
LOW, HIGH = 1 / 16, 1.0  # learning rates
SEEDS, STEPS, BATCH = 3, 30, 32
SMALL = 1e-12  # added to variances of about 36
EXACT = 1e-9  # of the numbers compared: rounding in double precision


@claim(
    "batchnorm/larger-rates",
    chapter="batchnorm",
    statement="Batch Normalization allows us to use much higher learning rates and "
    "be less careful about initialization.",
    source="Ioffe and Szegedy 2015, section 1",
)
def larger_rates(norms: dict[str, Norm] | None = None) -> Evidence:
    """At which of two rates a small stack learns, and what it makes of weights half
    as large.

    Args:
        norms: what follows each convolution, "without" and "with" batch
            normalisation.
    """
    norms = norms or {"without": None, "with": nn.BatchNorm2d}
    images, labels = _images()
    rows = {
        name: {
            "low rate": _learns(norm, images, labels, LOW),
            "high rate": _learns(norm, images, labels, HIGH),
            "signal, from weights half as large": _signal(norm, images),
        }
        for name, norm in norms.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("batch norm")
    low, high, signal = (table[column] for column in table)
    higher = low.all() and high["with"] and not high["without"]
    less_careful = abs(log(signal["with"])) < abs(log(signal["without"]))
    return Evidence(
        holds=bool(higher and less_careful),
        measured=f"Eight 3×3 convolutions learn at a rate of {LOW:g} "
        f"{_whose(low)} batch norm, and at {HIGH / LOW:g} times that rate "
        f"{_whose(high)} it. From weights half as large as He's their logits "
        f"deviate {signal['without']:.2g} times as much without it, and "
        f"{signal['with']:.2g} times with it.",
        table=table,
        method=f"Learned is a loss below that of a guess after {STEPS} steps of "
        f"plain SGD, {BATCH} images each, from each of {SEEDS} seeds.",
    )


def _whose(learns: pd.Series) -> str:
    return {
        (True, True): "with and without",
        (True, False): "only with",
        (False, True): "only without",
        (False, False): "neither with nor without",
    }[bool(learns["with"]), bool(learns["without"])]


def _images() -> tuple[Tensor, Tensor]:
    train, _ = fashion_mnist_mini.load()
    read = Normalise(*train.mean_std(), 14, "cpu")
    return read(train.images[:3000]), train.labels[:3000]


def _learns(norm: Norm, images: Tensor, labels: Tensor, rate: float) -> bool:
    """Whether the loss ends below that of a guess, from every seed."""
    losses = (
        loss_after(norm, images, labels, rate, seed, STEPS, BATCH)
        for seed in range(SEEDS)
    )
    return all(loss < log(10) for loss in losses)


@torch.no_grad()
def _signal(norm: Norm, images: Tensor) -> float:
    """How many times the logits' deviation over images is that from He's weights,
    if all are half as large."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = stack(norm)
    before = network(images[:64]).std(0).mean()
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            layer.weight.mul_(0.5)
    return (network(images[:64]).std(0).mean() / before).item()


@claim(
    "batchnorm/scale",
    chapter="batchnorm",
    statement="Batch Normalization also makes training more resilient to the "
    "parameter scale. … Moreover, larger weights lead to smaller gradients.",
    source="Ioffe and Szegedy 2015, section 3.3",
)
def scale(norm: Norm = nn.BatchNorm2d, factor: float = 10.0) -> Evidence:
    """What becomes of outputs and gradients if a convolution's weights are
    multiplied.

    Args:
        norm: what follows the convolution, made of its channels.
        factor: by which the weights are multiplied.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weight = torch.randn(8, 4, 3, 3, dtype=torch.double)
        inputs = torch.randn(16, 4, 9, 9, dtype=torch.double)
        goal = torch.randn(16, 8, 7, 7, dtype=torch.double)
    outputs, gradients = [], []
    for larger in (1.0, factor):
        scaled = (larger * weight).requires_grad_()
        layer = nn.Identity() if norm is None else norm(8).double()
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = SMALL
        output = layer(F.conv2d(inputs, scaled))
        (gradient,) = torch.autograd.grad((goal * output).sum(), scaled)
        outputs.append(output.detach())
        gradients.append(gradient.norm().item())
    changed = ((outputs[1] - outputs[0]).norm() / outputs[0].norm()).item()
    times = gradients[1] / gradients[0]
    same = changed < EXACT
    return Evidence(
        holds=same and abs(times * factor - 1) < EXACT,
        measured=f"With the weights of a convolution {factor:g} times as large, "
        "what comes out of the normalisation behind it changes by "
        f"{'nothing' if same else f'{changed:.0%}'}, and the gradient of the "
        f"weights is {times:g} times as large.",
        table=pd.DataFrame(
            {"deviation": [o.std().item() for o in outputs], "gradient": gradients},
            index=pd.Index([1.0, factor], name="weights, times"),
        ),
        method=f"In double precision, with an ε of {SMALL:g}.",
    )


@claim(
    "batchnorm/linear",
    chapter="batchnorm",
    statement="Since the means and variances are fixed during inference, the "
    "normalization is simply a linear transform applied to each activation.",
    source="Ioffe and Szegedy 2015, section 3.1",
)
def linear(network: nn.Sequential | None = None) -> Evidence:
    """Whether the convolutions of a stack can do what the normalisations behind
    them do.

    Args:
        network: convolutions, each with a normalisation behind it; by default eight
            that have seen some batches.
    """
    images, _ = _images()
    if network is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = stack(nn.BatchNorm2d)
        for batch in images[:640].split(64):
            network(batch)
    network = deepcopy(network).double().eval()
    without = folded(network)
    with torch.no_grad():
        some = images[:64].double()
        before, after = network(some), without(some)
    apart = ((after - before).norm() / before.norm()).item()
    number = len(network) - len(without)
    return Evidence(
        holds=bool(number) and apart < EXACT,
        measured=f"{number} normalisations were folded into the weights and biases "
        f"of the convolutions before them. The logits of {len(some)} images change "
        f"by {'nothing' if apart < EXACT else f'{apart:.0%}'}, in evaluation mode.",
        table=pd.DataFrame(
            {"layers": [len(network), len(without)], "apart": [0.0, apart]},
            index=["with normalisations", "folded"],
        ).rename_axis("network"),
        method="In double precision; nothing is less than a billionth.",
    )
