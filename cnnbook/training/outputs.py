"""What a network gives: logits, or in training a tuple of them when it has
auxiliary heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

AUX_WEIGHT = 0.3  # GoogLeNet: Szegedy et al. 2015, section 5


def parts_of(
    outputs: Tensor | Sequence[Tensor | None] | Mapping[str, Tensor],
) -> list:
    """The logits, then those of auxiliary heads, of whatever form a network's
    output has.

    A mapping, such as Hugging Face's models give, has them under ``logits``; its
    other entries are no heads.

    Raises:
        ValueError: if there are no logits in it.
    """
    if isinstance(outputs, Tensor):
        return [outputs]
    found: list[Any]
    if isinstance(outputs, Mapping):
        found = [outputs.get("logits")]
    elif isinstance(outputs, Sequence) and not isinstance(outputs, str):
        found = list(outputs)
    else:
        found = [getattr(outputs, "logits", None)]
    if not found or not isinstance(found[0], Tensor):
        raise ValueError(
            "a network must give logits N × classes: a tensor, a tuple that begins "
            "with it, or a mapping that has it under 'logits'; got "
            f"{type(outputs).__name__}"
        )
    return found


def main_logits(
    outputs: Tensor | Sequence[Tensor | None] | Mapping[str, Tensor],
) -> Tensor:
    """The logits N × classes."""
    return parts_of(outputs)[0]


def loss_of(
    model: nn.Module,
    outputs: Tensor | Sequence[Tensor | None] | Mapping[str, Tensor],
    labels: Tensor,
    label_smoothing: float,
) -> Tensor:
    """Mean cross-entropy, plus that of each auxiliary head × ``model.aux_weight``
    (or else 0.3)."""
    logits, *aux = parts_of(outputs)
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
    weight = getattr(model, "aux_weight", AUX_WEIGHT)
    for extra in aux:
        if extra is not None:
            loss = loss + weight * F.cross_entropy(
                extra.float(), labels, label_smoothing=label_smoothing
            )
    return loss
