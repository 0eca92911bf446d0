"""Which images a feature fires for most: Zeiler and Fergus, ECCV 2014, figure 2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnbook.interpret._checks import check_trained, unknown
from cnnbook.interpret.graph import sharing_values


@dataclass(frozen=True, eq=False)
class Strongest:
    """The strongest activation of each channel in each of the k images that have
    it.

    Attributes:
        values: channels × k, falling.
        images: channels × k, the images' indices.
        positions: channels × k × 2, row and column in the map.
    """

    values: Tensor
    images: Tensor
    positions: Tensor


def strongest(
    model: nn.Module, images: Tensor, layer: str, k: int = 9, batch_size: int = 128
) -> Strongest:
    """The `k` images for which each channel of `layer` has its largest activation.

    Args:
        model: a trained network; it is only read, and looked at in inference.
        images: N × C × H × W, normalised as `model` takes them.
        layer: the name of a module whose output is N × channels × rows × columns.
        k: how many images; of each only its largest activation counts.
        batch_size: images at once.

    Raises:
        ValueError: if the network is untrained or has no such layer, or `k` is not
            in 1 … N.
    """
    check_trained(model)
    if (
        not isinstance(images, Tensor)
        or images.dim() != 4
        or not images.is_floating_point()
    ):
        raise ValueError(
            "images must be N×C×H×W, normalised as for the network's training"
        )
    if not 1 <= k <= len(images):
        raise ValueError(
            f"k must be in 1 … {len(images)}, the number of images, got {k}"
        )
    model = sharing_values(model)
    modules = dict(model.named_modules())
    if layer not in modules:
        raise unknown(
            f"{type(model).__name__} has no layer", layer, list(modules)[1:]
        )
    peaks: list[tuple[Tensor, Tensor]] = []
    widths: set[int] = set()

    def keep(module, inputs, output):
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise ValueError(
                f"{layer} gives no maps; a layer before the classifier does"
            )
        widths.add(output.shape[3])
        peaks.append(tuple(output.flatten(2).max(2)))

    modules[layer].register_forward_hook(keep)
    with torch.no_grad():
        for batch in images.split(batch_size):
            model(batch.clone())
    # images × channels
    values, places = (torch.cat(part) for part in zip(*peaks, strict=True))
    (width,) = widths
    top, chosen = values.topk(k, dim=0)
    places = places.gather(0, chosen)
    positions = torch.stack([places // width, places % width], dim=-1)
    return Strongest(top.T, chosen.T, positions.transpose(0, 1))
