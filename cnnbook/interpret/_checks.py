"""What the pictures of a trained network ask of the network and of their image."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from cnnbook._arguments import near

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
TRAINED = (
    "such as run.model of a run of fit(), or "
    'models.create("resnet20", weights="fashion-mnist")'
)


def check_trained(model: nn.Module) -> None:
    """Raise a ValueError if the network has no weights, or those it was built with.

    A layer of torch starts in a way that training does not keep: a norm with ones
    and zeros, a bias constant, or uniform with the weights within ±1/√(inputs of an
    output). If all norms and convolutions (or linear layers, where there are no
    others) are still like that, nothing was trained. A TypeError if it is no
    network.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"a torch.nn.Module is needed, got {type(model).__name__}")
    name = type(model).__name__
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ValueError(
            f"{name} has shapes alone and no weights; a trained network is needed"
        )
    for kinds in ((*NORMS, nn.Conv2d), nn.Linear):
        layers = [layer for layer in model.modules() if isinstance(layer, kinds)]
        found = [
            start for layer in layers if (start := _as_built(layer)) is not None
        ]
        if found:
            break
    if found and all(found):
        raise ValueError(
            f"{name} is untrained; a trained network is needed, {TRAINED}"
        )


def _as_built(layer: nn.Module) -> bool | None:
    """Whether a layer has the weights it started with; None if one cannot tell."""
    if isinstance(layer, NORMS):
        if layer.weight is None:
            return None
        return bool(
            (layer.weight == layer.weight[0]).all() and (layer.bias == 0).all()
        )
    if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
        weight, bias = layer.weight.detach(), layer.bias.detach()
        if bool((bias == bias[0]).all()) and len(bias) > 1:
            return True
        most = (1 + 1e-6) / weight[0].numel() ** 0.5
        return bool(weight.abs().max() <= most and bias.abs().max() <= most)
    return None


def check_image(image: Tensor) -> tuple[int, int, int]:
    """(C, H, W) of `image`; ValueError unless it is one image of floats."""
    if not isinstance(image, Tensor) or image.dim() != 3:
        got = (
            "×".join(map(str, image.shape))
            if isinstance(image, Tensor)
            else type(image).__name__
        )
        raise ValueError(f"one image C×H×W is needed, got {got}")
    if not image.is_floating_point():
        raise ValueError(
            "the image must be normalised as for the network's training, "
            f"got {image.dtype}"
        )
    channels, height, width = image.shape
    return channels, height, width


def check_label(logits: Tensor, label: int) -> None:
    """Raise a ValueError unless `logits` are 1 × classes, `label` one of them."""
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        raise ValueError("a classifier is needed, whose output is N × classes")
    if not 0 <= label < logits.shape[1]:
        raise ValueError(f"class {label} is outside 0 … {logits.shape[1] - 1}")


def find_position(
    maps: Tensor, layer: str, channel: int, position: tuple[int, int] | None
) -> tuple[int, int]:
    """`position` in a channel of `maps` (C × H × W), or where that is largest.

    Raises:
        ValueError: if there is no such channel or position.
    """
    channels, height, width = maps.shape
    if not 0 <= channel < channels:
        raise ValueError(f"{layer} has channels 0 … {channels - 1}, not {channel}")
    row, column = position or divmod(int(maps[channel].argmax()), width)
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"{layer} has {height}×{width} positions, not {position}")
    return row, column


def unknown(what: str, name: str, known: Iterable[str]) -> ValueError:
    """The error for a misspelt `name`, with the near ones or else the first few."""
    return ValueError(f"{what} {name!r}; {near(name, known, most=8)}")
