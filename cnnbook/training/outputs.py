"""What a network gives: logits, or in training a tuple of them when it has auxiliary heads."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

AUX_WEIGHT = 0.3  # GoogLeNet: Szegedy et al. 2015, section 5


def main_logits(outputs: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The logits N × classes, which come first."""
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def loss_of(
    model: nn.Module,
    outputs: Tensor | tuple[Tensor | None, ...],
    labels: Tensor,
    label_smoothing: float,
) -> Tensor:
    """Mean cross-entropy, plus that of each auxiliary head × ``model.aux_weight`` (or else 0.3)."""
    logits, *aux = (outputs,) if isinstance(outputs, Tensor) else outputs
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
    weight = getattr(model, "aux_weight", AUX_WEIGHT)
    for extra in aux:
        if extra is not None:
            loss = loss + weight * F.cross_entropy(
                extra.float(), labels, label_smoothing=label_smoothing
            )
    return loss
