"""A deeper network that computes what a shallower one computes.

He, Zhang, Ren, Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016,
section 1: copy the learned layers, and let the added ones be identity mappings. The
construction proves that a deeper network need not have a higher training error.
"""

from __future__ import annotations

import torch
from torch import nn

from cnnbook.models.preactivation import PreActivationBlock
from cnnbook.models.residual import BasicBlock, PlainBlock


@torch.no_grad()
def set_identity(block: nn.Module) -> None:
    """Set the weights of `block` in place so that it passes on its input in
    evaluation mode.

    A pre-activation block then passes any input. A basic and a plain block end in a
    ReLU: they pass what is nowhere negative, as the output of such a block is.

    Raises:
        TypeError: if there is no rule for blocks of this type.
    """
    if isinstance(block, PreActivationBlock):
        *_, last = block.residual.children()
        for weight in last.parameters():
            weight.zero_()
    elif isinstance(block, BasicBlock):
        block.conv2.weight.zero_()
        block.bn2.reset_parameters()  # mean 0, no shift: zeros stay zeros
    elif isinstance(block, PlainBlock):
        for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
            nn.init.dirac_(conv.weight)
            norm.reset_parameters()
            norm.get_buffer("running_var").fill_(1 - norm.eps)
    else:
        raise TypeError(
            f"no weights are known that make a {type(block).__name__} the identity"
        )


def deepen(shallow: nn.Module, deeper: nn.Module) -> nn.Module:
    """Copy `shallow` into `deeper` and set the blocks that are left over to the
    identity, in place.

    Args:
        shallow, deeper: `ResNet` or `CifarResNet` of one kind of block, equal in
            width and classes.

    Returns:
        `deeper`, in evaluation mode. Its logits are those of `shallow` in that
        mode.

    Raises:
        ValueError: if a stage of `deeper` has fewer blocks than that of `shallow`.
        RuntimeError: from `load_state_dict`, if blocks differ in shape.
    """
    for (name, source), target in zip(
        shallow.named_children(), deeper.children(), strict=True
    ):
        if not (
            isinstance(source, nn.Sequential) and isinstance(target, nn.Sequential)
        ):
            target.load_state_dict(source.state_dict())
            continue
        if len(target) < len(source):
            raise ValueError(
                f"{name} has {len(target)} blocks, the shallow network "
                f"{len(source)}"
            )
        for i, block in enumerate(target):
            if i < len(source):
                block.load_state_dict(source[i].state_dict())
            else:
                set_identity(block)
    return deeper.eval()
