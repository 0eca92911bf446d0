"""The notes' three formulas (*Net Architecture*, "Some indexes"), against what
PyTorch really does.

Each check evaluates the formula as the notes print it, from a layer's
hyperparameters, and compares it with a real measurement: the bytes of the real
output, the real parameters, torch's own counter. The subjects are every convolution
and linear layer of both AlexNets, so that strides, padding and groups all occur.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnnbook import models
from cnnbook.claims._mechanism import Evidence, claim

SOURCE = "Lecture notes, Net Architecture: Some indexes"


class Run(NamedTuple):
    """A layer that really ran: the module, and its real input and output for one
    image."""

    name: str
    module: nn.Conv2d | nn.Linear
    input: Tensor
    output: Tensor
    torch_flops: int  # multiply-adds, by torch's own counter


def _networks() -> dict[str, nn.Module]:
    return {
        variant: models.alexnet(variant=variant)
        for variant in ("torchvision", "paper")
    }


def _layers_run(
    networks: dict[str, nn.Module], size: tuple[int, ...]
) -> Iterator[Run]:
    """Run each network on one image of `size` and yield what each layer got and
    gave."""
    for variant, network in networks.items():
        seen: list[Run] = []

        names = {module: name for name, module in network.named_modules()}

        def record(module, inputs, output, seen=seen, names=names, variant=variant):
            with FlopCounterMode(display=False) as counter:
                module.forward(*inputs)
            name = f"{variant}: {names[module]}" if variant else names[module]
            seen.append(
                Run(name, module, inputs[0], output, counter.get_total_flops() // 2)
            )

        layers = [m for m in names if isinstance(m, nn.Conv2d | nn.Linear)]
        hooks = [layer.register_forward_hook(record) for layer in layers]
        with torch.no_grad():
            device = next(network.parameters()).device
            network.eval()(torch.zeros(1, *size, device=device))
        for hook in hooks:
            hook.remove()
        yield from seen


def _compare(
    formula: Callable[[Run], float], truth: Callable[[Run], float], unit: str, *what
):
    """A row per layer of the networks on an image of a size: the formula beside the
    measurement."""
    import pandas as pd

    networks, size = what
    networks = _networks() if networks is None else networks
    rows = [
        (run.name, formula(run), truth(run)) for run in _layers_run(networks, size)
    ]
    columns = ["layer", f"formula ({unit})", f"measured ({unit})"]
    return pd.DataFrame(rows, columns=columns).set_index("layer")


def _evidence(
    table, what: str, remark: str, whose: str, unit: str, truth: str = "as measured"
) -> Evidence:
    formula, measured = table.iloc[:, 0], table.iloc[:, 1]
    equal = int((formula == measured).sum())
    total, found = formula.sum(), measured.sum()
    beside = "and" if total == found else f"but {found:,.0f}"
    return Evidence(
        holds=equal == len(table),
        measured=f"{what} in {equal} of {len(table)} convolution and linear layers "
        f"{whose}; in all {total:,.0f} {unit} by the formula {beside} {truth}.",
        table=table,
        method=remark,
    )


Size = tuple[int, int, int]
IMAGE = (3, 224, 224)
BOTH = "of the two AlexNets"


def _kernel(module: nn.Conv2d | nn.Linear) -> tuple[int, int, int, int]:
    """C', C, H, W of a layer's weights, before groups; a linear layer is a 1×1
    convolution."""
    if isinstance(module, nn.Linear):
        return module.out_features, module.in_features, 1, 1
    height, width = module.kernel_size
    return module.out_channels, module.in_channels, height, width


def _groups(module: nn.Module) -> int:
    return getattr(module, "groups", 1)


@claim(
    "measuring/memory",
    chapter="measuring",
    statement="Memory: KB = (num of output elements) · (bytes per element) / 1024 "
    "= (C · H' · W') · 4 [for 32-bit floating point] / 1024.",
    source=SOURCE,
)
def memory(
    networks: dict[str, nn.Module] | None = None,
    size: Size = IMAGE,
    whose: str = BOTH,
) -> Evidence:
    def formula(run: Run) -> float:
        return run.output.numel() * 4 / 1024  # of one image: C · H' · W'

    def truth(run: Run) -> float:
        return run.output.untyped_storage().nbytes() / 1024

    table = _compare(formula, truth, "KB", networks, size)
    return _evidence(
        table,
        "The formula gives the bytes that PyTorch allocated for the output",
        "C is the number of output channels here; the next two formulas call it "
        "C'. "
        "The formula leaves out the weights, and what training keeps besides.",
        whose,
        "KB",
    )


@claim(
    "measuring/params",
    chapter="measuring",
    statement="Params: number of weights = (weight shape) + (bias shape) "
    "= C' · C · H · W + C'.",
    source=SOURCE,
)
def params(
    networks: dict[str, nn.Module] | None = None,
    size: Size = IMAGE,
    whose: str = BOTH,
) -> Evidence:
    def formula(run: Run) -> int:
        out, into, height, width = _kernel(run.module)
        return out * (into // _groups(run.module)) * height * width + out

    def truth(run: Run) -> int:
        return sum(parameter.numel() for parameter in run.module.parameters())

    table = _compare(formula, truth, "parameters", networks, size)
    return _evidence(
        table,
        "The formula gives the number of learned values",
        "H and W are the kernel's here, not the image's. With groups, C is the "
        "channels of one group; a layer without a bias has no last term.",
        whose,
        "parameters",
    )


@claim(
    "measuring/flops",
    chapter="measuring",
    statement="Number of floating point operations (flop: multiply + add) "
    "= (number of output elements) · (ops per output element) "
    "= (C' · H' · W') · (C · H · W).",
    source=SOURCE,
)
def flops(
    networks: dict[str, nn.Module] | None = None,
    size: Size = IMAGE,
    whose: str = BOTH,
) -> Evidence:
    def formula(run: Run) -> int:
        _, into, height, width = _kernel(run.module)
        return run.output.numel() * (into // _groups(run.module)) * height * width

    table = _compare(
        formula, lambda run: run.torch_flops, "multiply-adds", networks, size
    )
    return _evidence(
        table,
        "The formula gives half of what torch's FlopCounterMode counts",
        "A multiplication and its addition count as one; torch counts two. The "
        "addition of the bias is left out, and so are pooling, activation and "
        "normalisation. With groups, C is the channels of one group.",
        whose,
        "multiply-adds",
        "by half of torch's count",
    )
