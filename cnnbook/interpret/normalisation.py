"""Batch normalisation taken apart: folded, starved of images, and pushed to its
largest rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@torch.no_grad()
def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that computes what `conv` and then `norm` compute in
    evaluation mode.

    In evaluation mode a normalisation multiplies each channel by a number and adds
    another, so the kernel can be multiplied by the first and the bias take up the
    second. Both arguments stay as they are.

    Raises:
        ValueError: if the channels do not fit, or `norm` keeps no statistics.
    """
    if norm.num_features != conv.out_channels:
        raise ValueError(
            f"the convolution writes {conv.out_channels} channels, the "
            f"normalisation reads {norm.num_features}"
        )
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(
            "a normalisation without running statistics cannot be folded"
        )
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale + (norm.bias if norm.affine else 0)
    own = ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    settings: dict[str, Any] = {name: getattr(conv, name) for name in own}
    settings |= {"device": conv.weight.device, "dtype": conv.weight.dtype}
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, **settings)
    folded.weight.copy_(conv.weight * scale[:, None, None, None])
    bias = shift if conv.bias is None else shift + scale * conv.bias
    folded.get_parameter("bias").copy_(bias)
    return folded


def folded(network: nn.Sequential) -> nn.Sequential:
    """`network` with each normalisation that follows a convolution folded into it;
    the other layers are shared."""
    kept: list[nn.Module] = []
    for layer in network:
        last = kept[-1] if kept else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            kept[-1] = fold(last, layer)
        else:
            kept.append(layer)
    return nn.Sequential(*kept)


def stack(
    norm: Callable[[int], nn.Module] | None, depth: int = 8, width: int = 16
) -> nn.Sequential:
    """`depth` 3×3 convolutions for images N × 1 × 14 × 14 and 10 classes, from He's
    weights.

    Args:
        norm: called with the channels, makes what follows each convolution; None:
            nothing, and the convolutions then have a bias.
        depth, width: of the network; it halves the image twice on the way.
    """
    layers: list[nn.Module] = []
    for number in range(depth):
        conv = nn.Conv2d(
            width if number else 1, width, 3, padding=1, bias=norm is None
        )
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        layers += [conv, *([] if norm is None else [norm(width)]), nn.ReLU()]
        if number in (depth // 3, 2 * depth // 3):
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)
    )


def loss_after(
    norm: Callable[[int], nn.Module] | None,
    images: Tensor,
    labels: Tensor,
    lr: float,
    seed: int,
    steps: int = 40,
    batch: int = 64,
) -> float:
    """The mean loss of the last ten of a few steps of plain SGD at one rate; inf if
    it is none.

    Args:
        norm: as for :func:`stack`.
        images, labels: N × 1 × 14 × 14 and N; batches are drawn from them.
        lr, seed, steps, batch: of the run.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = stack(norm).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(network.parameters(), lr=lr)
        last = []
        for _ in range(steps):
            chosen = torch.randint(len(images), (batch,))
            loss = F.cross_entropy(network(images[chosen]), labels[chosen])
            if not math.isfinite(loss.item()):
                return math.inf
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            last.append(loss.item())
    return sum(last[-10:]) / len(last[-10:])


def losses_along(
    norm: Callable[[int], nn.Module] | None,
    images: Tensor,
    labels: Tensor,
    lr: float,
    reach: Sequence[float] = (0.5, 1, 2, 4),
    seed: int = 0,
    steps: int = 40,
    batch: int = 64,
) -> list[tuple[float, float]]:
    """How far the loss varies along the gradient: its lowest and highest value, at
    each step.

    At each step of plain SGD the loss of the batch is computed after steps of
    several lengths in the same direction, the network in training mode; then the
    step is taken (Santurkar et al., 2018, section 3.1 and figure 4a).

    Args:
        norm: as for :func:`stack`.
        images, labels: N × 1 × 14 × 14 and N; batches are drawn from them.
        lr, seed, steps, batch: of the run.
        reach: the lengths, as multiples of the step that is taken.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = stack(norm).to(memory_format=torch.channels_last)
        parameters, found = list(network.parameters()), []
        for _ in range(steps):
            chosen = torch.randint(len(images), (batch,))
            some, right = images[chosen], labels[chosen]
            loss = F.cross_entropy(network(some), right)
            gradients = torch.autograd.grad(loss, parameters)
            start = [parameter.detach().clone() for parameter in parameters]

            @torch.no_grad()
            def go(length: float, start=start, gradients=gradients) -> None:
                for parameter, at, gradient in zip(
                    parameters, start, gradients, strict=True
                ):
                    parameter.copy_(at - length * lr * gradient)

            losses = []
            for length in reach:
                go(length)
                with torch.no_grad():
                    losses.append(F.cross_entropy(network(some), right).item())
            found.append((min(losses), max(losses)))
            go(1)
    return found


@torch.no_grad()
def accuracy_by_batch(
    network: nn.Module, images: Tensor, labels: Tensor, sizes: Iterable[int]
) -> dict[int, float]:
    """The share of right answers when batches of each size are normalised by
    themselves.

    The network is left in evaluation mode with the statistics that it had.
    """
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    found = {}
    for size in sizes:
        network.train()
        answers = [network(part).argmax(1) for part in images.split(size)]
        found[size] = (torch.cat(answers) == labels).float().mean().item()
        network.load_state_dict(kept)
    network.eval()
    return found


@torch.no_grad()
def running_means(
    norm: nn.BatchNorm2d, batches: Sequence[Tensor], channel: int = 0
) -> dict[str, list[float]]:
    """A channel's mean in each batch, and the running mean of `norm` after it."""
    found: dict[str, list[float]] = {"of the batch": [], "running": []}
    norm.train()
    for batch in batches:
        norm(batch)
        found["of the batch"].append(batch[:, channel].mean().item())
        found["running"].append(norm.get_buffer("running_mean")[channel].item())
    return found
