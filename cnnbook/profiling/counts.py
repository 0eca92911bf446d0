"""What other tools count: the multiply-adds of a profile, and each tool's own
terms.

The rules are the tools': torchinfo 1.8.0 (``layer_info.py``, `calculate_macs`),
fvcore 0.1.5 (``flop_count.py``, the table of its handles), ptflops 0.7.5 with its
backend "pytorch" on the CPU (``pytorch_ops.py``: hooks of modules, and patches of
functions, so that a module that calls a patched function counts in both), thop
0.1.1 (``profile.py``, the table of its hooks). Some go by modules and miss
functions, others by functions: what each does not see, it does not count, and
neither is it counted here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from cnnbook.profiling.calls import Call
from cnnbook.profiling.labels import LAYERS
from cnnbook.profiling.rows import Layer, ProfileError

RECTIFIERS = {"relu", "relu6", "elu", "prelu", "gelu", "silu"}


class Counted(NamedTuple):
    """A call, as the tools' rules ask for it.

    `module` is the class of the module that it is all of, "" if it is none; `flops`
    its multiply-adds by the book's convention; `inputs` and `outputs` are numbers
    of elements.
    """

    call: Call
    function: str
    module: str
    flops: int
    inputs: int
    outputs: int
    kind: str

    @property
    def bias(self) -> int:
        """One for each output of a layer with a bias."""
        return self.outputs if self.call.settings.get("bias") else 0

    @property
    def weights(self) -> int:
        """The numbers in its weight and its bias."""
        shape = self.call.settings.get("weight", ())
        biased = self.call.settings.get("bias", False)
        of_bias = math.prod(shape) if "norm" in self.function else 0
        if self.kind in ("conv", "linear"):
            of_bias = (
                shape[1 if "transpose" in self.function else 0] if shape else 0
            )
            groups = self.call.settings.get("groups", 1)
            of_bias *= groups if "transpose" in self.function else 1
        return (math.prod(shape) if shape else 0) + (of_bias if biased else 0)


def counted_by(
    tool: str,
    calls: Sequence[Call],
    layers: Sequence[Layer],
    modules: Mapping[str, str],
) -> int:
    """See `Profile.as_counted_by`: of its calls, rows and the classes of its
    modules."""
    count = TOOLS.get(tool) if isinstance(tool, str) else None
    if count is None:
        raise ProfileError(f"tool is one of {', '.join(TOOLS)}; got {tool!r}")
    return sum(count(each) for each in _counted(calls, layers, modules))


def _counted(
    calls: Sequence[Call], layers: Sequence[Layer], modules: Mapping[str, str]
) -> list[Counted]:
    inner = {path.rpartition(".")[0] for path in modules if path}
    found = []
    for call in calls[1:]:
        layer = None if call.row is None else layers[call.row]
        owner = "" if call.module in inner else modules.get(call.module, "")
        function = FUNCTIONS.get(call.function, call.function.strip("_"))
        inputs = math.prod(calls[call.reads[0]].shape) if call.reads else 0
        flops, kind = (layer.flops, layer.kind) if layer else (0, "")
        outputs = math.prod(call.shape)
        found.append(Counted(call, function, owner, flops, inputs, outputs, kind))
    return found


# As ptflops and thop know it.
FUNCTIONS = LAYERS | {"ReLU6": "hardtanh"}
CONVS = {f"Conv{t}{n}d" for t in ("", "Transpose") for n in (1, 2, 3)}
POOLS = {
    f"{how}Pool{n}d"
    for n in (1, 2, 3)
    for how in ("Max", "Avg", "AdaptiveAvg", "AdaptiveMax")
}
POOLED = {
    f"{how}_pool{n}d"
    for n in (1, 2, 3)
    for how in ("max", "avg", "adaptive_avg", "adaptive_max")
}
BATCH_NORMS = {
    f"{kind}Norm{n}d" for kind in ("Batch", "Instance") for n in (1, 2, 3)
}


def _unknown(tool: str, each: Counted) -> ProfileError:
    what = each.module or each.function
    place = f" ({each.call.module})" if each.call.module else ""
    return ProfileError(f"how {tool} counts {what}{place} is not known here")


def _torchinfo(each: Counted) -> int:
    """Every weight and bias of a module times the positions of a convolution, or
    once."""
    if each.kind == "attention" or each.function in (
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
    ):
        raise _unknown("torchinfo", each)
    if not each.module or "weight" not in each.call.settings:
        return 0
    positions = math.prod(each.call.shape[2:]) if "Conv" in each.module else 1
    return each.weights * positions


def _fvcore(each: Counted) -> int:
    affine = "weight" in each.call.settings
    match each.function:
        case "batch_norm":
            return each.outputs * (2 if affine else 1)
        case "layer_norm" | "group_norm" | "instance_norm":
            return each.outputs * (5 if affine else 4)
        case "adaptive_avg_pool2d":
            return each.inputs
        case "interpolate" | "upsample" | "grid_sample":
            raise _unknown("fvcore", each)
    if (
        each.kind == "attention"
        or each.kind == "matmul"
        and each.function not in ("matmul", "bmm")
    ):
        raise _unknown("fvcore", each)
    return each.flops


def _ptflops(each: Counted) -> int:
    function, module = each.function, each.module
    hooked = module in ("ReLU", "PReLU", "ELU", "LeakyReLU", "ReLU6", "GELU")
    if each.kind in ("attention", "matmul") or function in (
        "interpolate",
        "upsample",
    ):
        raise _unknown("ptflops", each)
    if function in RECTIFIERS or hooked:
        return each.outputs * ((function in RECTIFIERS) + hooked)
    if function in POOLED:
        return each.inputs * (1 + (module in POOLS))
    if function == "softmax":
        return each.outputs
    if module in BATCH_NORMS or module in ("GroupNorm", "LayerNorm"):
        # It looks for `affine`, which a LayerNorm calls by another name.
        affine = "weight" in each.call.settings and module != "LayerNorm"
        return each.outputs * (2 if affine else 1)
    if module in CONVS or module == "Linear":
        return each.flops + each.bias
    return 0


def _thop(each: Counted) -> int:
    module = each.module
    if module in (
        "Upsample",
        "UpsamplingBilinear2d",
        "UpsamplingNearest2d",
        "LSTM",
        "GRU",
        "RNN",
        "LSTMCell",
        "GRUCell",
        "RNNCell",
    ):
        raise _unknown("thop", each)
    if module in CONVS:
        # By its outputs, and the other side of its weight.
        if "Transpose" in module:
            groups, kernel = (
                each.call.settings["groups"],
                each.call.settings["weight"][2:],
            )
            channels = each.call.settings["weight"][0]
            return each.outputs * (channels // groups) * math.prod(kernel)
        return each.flops
    if module == "Linear":
        return each.flops
    if module in BATCH_NORMS or module == "LayerNorm":
        return each.inputs * (4 if "weight" in each.call.settings else 2)
    if module == "PReLU":
        return each.inputs
    if module == "Softmax":
        raise _unknown("thop", each)
    if module in ("AvgPool1d", "AvgPool2d", "AvgPool3d"):
        return each.outputs
    if module in ("AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d"):
        return each.inputs + each.outputs
    return 0


TOOLS: dict[str, Callable[[Counted], int]] = {
    "torchinfo": _torchinfo,
    "fvcore": _fvcore,
    "ptflops": _ptflops,
    "thop": _thop,
}
