"""The receptive field measured, not derived: which pixels does an output's gradient
reach?

`cnnbook.profile` derives receptive fields from shapes. This module measures them,
on a copy of the network whose weights are positive and even, so that no gradient
cancels or vanishes inside the field (Luo et al., *Understanding the Effective
Receptive Field in Deep Convolutional Neural Networks*, NeurIPS 2016, section 2,
derive the same quantity).
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class _Linearised(TorchFunctionMode):
    """Swaps what may block a gradient inside a window for what never does.

    A maximum passes its gradient to one pixel of its window, an average to all of
    them; a ReLU may pass none. The windows stay where they are, and only they
    decide the receptive field.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (F.relu, torch.relu, torch.relu_, Tensor.relu, F.dropout):
            return args[0]
        if func in (F.max_pool2d, torch.max_pool2d):
            return _average_pool(*args, **kwargs)
        return func(*args, **kwargs)


def _average_pool(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
):
    """The average over a maximum pooling's windows, called as the latter is."""
    if dilation not in (1, (1, 1)) or return_indices:
        raise ValueError(
            "only a max pool without dilation and indices can be measured"
        )
    return F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode)


def gradient_map(
    model: nn.Module, layer: str, input_size: tuple[int, int, int]
) -> Tensor:
    """Size of the gradient of one middle output of `layer` with respect to each
    pixel, H × W.

    Args:
        model: a network of convolutions, batch norms, ReLUs and pools; a copy of it
            is used.
        layer: the name of a submodule whose output is N × C × H × W.
        input_size: (C, H, W) of the image; make it larger than twice the receptive
            field.

    Raises:
        ValueError: if the model has no such layer, or the layer gives no maps.
    """
    model = copy.deepcopy(model).double().eval()
    modules = dict(model.named_modules())
    if layer not in modules:
        raise ValueError(f"{type(model).__name__} has no layer {layer!r}")
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(1 / module.weight[0].numel())
    outputs: list[Tensor] = []
    modules[layer].register_forward_hook(
        lambda module, inputs, output: outputs.append(output)
    )
    image = torch.ones(1, *input_size, dtype=torch.double, requires_grad=True)
    with _Linearised():
        model(image)
    output = outputs[0]
    if output.dim() != 4:
        raise ValueError(
            f"the output of {layer!r} must be N × C × H × W, it has {output.dim()} "
            "dimensions"
        )
    middle = output[0, :, output.shape[2] // 2, output.shape[3] // 2].sum()
    (gradient,) = torch.autograd.grad(middle, image)
    return gradient[0].abs().sum(0)


def measured_receptive_field(
    model: nn.Module, layer: str, input_size: tuple[int, int, int]
) -> tuple[int, int]:
    """(height, width) in pixels of what one output of `layer` depends on; see
    `gradient_map`."""
    reached = gradient_map(model, layer, input_size) > 0
    rows, columns = reached.any(1).nonzero(), reached.any(0).nonzero()
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
