"""Where in the image is what speaks for a class? Two answers from gradients.

- *Grad-CAM*: the maps of one layer, each weighted by how much the class's logit
  grows with it on average (Selvaraju et al., *Grad-CAM*, ICCV 2017, equations 1 and
  2).
- *Saliency*: how much the logit changes with each pixel (Simonyan, Vedaldi,
  Zisserman, *Deep Inside Convolutional Networks*, 2014, section 3.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnbook.interpret._checks import (
    check_image,
    check_label,
    check_trained,
    unknown,
)
from cnnbook.interpret.graph import sharing_values

POOLS = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Dropout,
)


def grad_cam(
    model: nn.Module, image: Tensor, label: int, layer: str | None = None
) -> Tensor:
    """Where the maps of `layer` speak for the class `label`: its rows × columns, 0
    or more.

    Each map is weighted by the mean gradient of the class's logit over its
    positions; the sum is rectified, so that what speaks against the class is left
    out.

    Args:
        model: a trained classifier; it is only read, and looked at in inference.
        image: C × H × W, normalised as `model` takes it.
        label: the class.
        layer: the name of a module whose output is N × C × rows × columns. By
            default the last one at the resolution of the last convolution that
            still has positions, as Selvaraju et al. 2017 advise: behind its norm,
            ReLU and sum, before a pool.

    Raises:
        ValueError: if the network is untrained or no classifier, or has no such
            layer or class.
    """
    check_trained(model)
    check_image(image)
    model = sharing_values(model)
    seen = _maps(model, image)
    if layer is None:
        layer = _last(seen)
    elif layer not in {name for name, _, _ in seen}:
        raise unknown(
            f"{type(model).__name__} has no layer with maps",
            layer,
            [name for name, *_ in seen],
        )
    kept: list[Tensor] = []

    def keep(module, inputs, output):
        kept.append(output)
        return output.clone()  # what follows in place leaves ours as it is

    model.get_submodule(layer).register_forward_hook(keep)
    with torch.enable_grad():
        logits = model(image[None].clone().requires_grad_())
        check_label(logits, label)
        (gradient,) = torch.autograd.grad(logits[0, label], kept[-1])
    weights = gradient[0].mean((1, 2))
    return torch.einsum("c,chw->hw", weights, kept[-1][0].detach()).clamp(min=0)


def saliency(model: nn.Module, image: Tensor, label: int) -> Tensor:
    """How much the logit of `label` changes with each pixel: H × W, 0 or more.

    The largest of the absolute gradients of a pixel's channels. Arguments and
    errors are those of :func:`grad_cam`.
    """
    check_trained(model)
    check_image(image)
    pixels = image[None].clone().requires_grad_()
    with torch.enable_grad():
        logits = sharing_values(model)(pixels)
        check_label(logits, label)
        (gradient,) = torch.autograd.grad(logits[0, label], pixels)
    return gradient[0].abs().amax(0)


def _maps(
    model: nn.Module, image: Tensor
) -> list[tuple[str, nn.Module, tuple[int, int]]]:
    """Each module that gives maps, with their rows and columns, as they end."""
    found: list[tuple[str, nn.Module, tuple[int, int]]] = []
    handles = []
    for name, module in model.named_modules():

        def note(module, inputs, output, name=name):
            if isinstance(output, Tensor) and output.dim() == 4:
                found.append((name, module, tuple(output.shape[2:])))

        handles.append(module.register_forward_hook(note))
    with torch.no_grad():
        model(image[None].clone())
    for handle in handles:
        handle.remove()
    return found


def _last(seen: list[tuple[str, nn.Module, tuple[int, int]]]) -> str:
    """The last layer of the last convolution's resolution, if it has positions."""
    places = [
        i
        for i, (_, module, side) in enumerate(seen)
        if isinstance(module, nn.Conv2d) and max(side) > 1
    ]
    if not places:
        raise ValueError(
            "Grad-CAM needs a convolution whose output has more than one position"
        )
    last, (_, _, side) = places[-1], seen[places[-1]]
    for i in range(places[-1] + 1, len(seen)):
        if isinstance(seen[i][1], POOLS) or seen[i][2] != side:
            break
        last = i
    return seen[last][0]
