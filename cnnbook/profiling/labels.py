"""What a reader calls a layer, in every table and drawing: "conv 3×3, 64"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnnbook.profiling.calls import Call
    from cnnbook.profiling.rows import Layer

# What a function's arguments are called, and their values where they are left out;
# all that the drawings and exports know of it is here. A function that is not in
# the table is an operation of its own name. Settings that no result depends on are
# left out by a "_".
OPERATIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    # function: operation, kind, arguments after the tensor (or tensors) that it
    # reads
    "conv2d": (
        "conv",
        "conv",
        {
            "weight": None,
            "bias": None,
            "stride": 1,
            "padding": 0,
            "dilation": 1,
            "groups": 1,
        },
    ),
    "linear": ("linear", "linear", {"weight": None, "bias": None}),
    "max_pool2d": (
        "max pool",
        "pool",
        {
            "kernel": None,
            "stride": None,
            "padding": 0,
            "dilation": 1,
            "ceil": False,
        },
    ),
    "avg_pool2d": (
        "avg pool",
        "pool",
        {
            "kernel": None,
            "stride": None,
            "padding": 0,
            "ceil": False,
            "count_padding": True,
            "divisor": None,
        },
    ),
    "adaptive_avg_pool2d": ("adaptive avg pool", "pool", {"size": None}),
    "adaptive_max_pool2d": ("adaptive max pool", "pool", {"size": None}),
    "batch_norm": (
        "batch norm",
        "norm",
        {
            "mean": None,
            "var": None,
            "weight": None,
            "bias": None,
            "_training": False,
            "_momentum": 0.1,
            "eps": 1e-5,
        },
    ),
    "local_response_norm": (
        "response norm",
        "norm",
        {"size": None, "alpha": 1e-4, "beta": 0.75, "k": 1.0},
    ),
    "layer_norm": (
        "layer norm",
        "norm",
        {"size": None, "weight": None, "bias": None, "eps": 1e-5},
    ),
    "relu": ("relu", "activation", {}),
    "dropout": ("dropout", "dropout", {"p": 0.5}),
    "mul": ("mul", "other", {}),
    "permute": ("permute", "shape", {"dims": None}),
    "add": ("add", "join", {}),
    "cat": ("concat", "join", {"dim": 0}),
    "flatten": ("flatten", "shape", {"start": 0, "end": -1}),
    "pad": ("pad", "shape", {"pad": None, "mode": "constant", "value": None}),
}
OPERATIONS |= {  # other names of the same
    "relu_": OPERATIONS["relu"],
    **dict.fromkeys(("add_", "__add__", "__iadd__", "__radd__"), OPERATIONS["add"]),
    **dict.fromkeys(
        ("mul_", "multiply", "__mul__", "__imul__", "__rmul__"), OPERATIONS["mul"]
    ),
    **dict.fromkeys(("concat", "concatenate"), OPERATIONS["cat"]),
}
SPELT = {  # torch's keywords for the arguments above
    "kernel_size": "kernel",
    "ceil_mode": "ceil",
    "count_include_pad": "count_padding",
    "divisor_override": "divisor",
    "output_size": "size",
    "normalized_shape": "size",
    "running_mean": "mean",
    "running_var": "var",
    "training": "_training",
    "momentum": "_momentum",
    "start_dim": "start",
    "end_dim": "end",
}
WORDS = {
    "relu": "ReLU",
    "batch norm": "batch norm",
    "layer norm": "LayerNorm",
    "response norm": "response norm",
    "add": "+",
    "pad": "zeros appended",
}
# Layers of torch's that are one function of another name.
LAYERS = {
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "Conv3d": "conv3d",
    "Linear": "linear",
    "MaxPool2d": "max_pool2d",
    "AvgPool2d": "avg_pool2d",
    "AdaptiveAvgPool2d": "adaptive_avg_pool2d",
    "BatchNorm1d": "batch_norm",
    "BatchNorm2d": "batch_norm",
    "BatchNorm3d": "batch_norm",
    "ReLU": "relu",
    "Dropout": "dropout",
    "Sigmoid": "sigmoid",
    "Hardsigmoid": "hardsigmoid",
    "Hardswish": "hardswish",
    "GELU": "gelu",
    "SiLU": "silu",
    "ReLU6": "relu6",
}


def labels(layers: Sequence[Layer], calls: Sequence[Call]) -> dict[str, str]:
    """Each row's name in words, by its name in code.

    ``{"features.0": "conv 11×11, 64, stride 4", …}`` for an AlexNet. A layer that
    is used again says so. A row that no call is known of has its kind.
    """
    found = {layer.name: layer.kind for layer in layers}
    for call in calls:
        if call.row is not None:
            layer = layers[call.row]
            label, notes = described(layer, call)
            again = ("again",) if "#" in layer.name else ()
            found[layer.name] = ", ".join((label, *notes, *again))
    return found


def described(layer: Layer, call: Call) -> tuple[str, tuple]:
    """As :func:`describe`, of a row of a profile and its call."""
    if layer.kind in ("attention", "matmul"):
        return layer.kind, ()
    function = LAYERS.get(call.function, call.function)
    return _function_label(function, call.settings, layer.output)


def _function_label(
    function: str, settings: dict, shape: tuple[int, ...]
) -> tuple[str, tuple]:
    """In the words of the book's drawings; an operation that they lack under its
    own name."""
    spatial = function.removesuffix("1d").removesuffix("2d").removesuffix("3d")
    if spatial == "conv_transpose":
        label, notes = _function_label("conv2d", settings, shape)
        return f"transposed {label}", notes
    known = OPERATIONS.get(f"{spatial}2d" if spatial != function else function)
    if known is None:
        return function.replace("_", " "), ()
    dims = max(len(shape) - 1, 1)
    own = {SPELT.get(key, key): value for key, value in settings.items()}
    for key in ("kernel", "stride", "padding", "dilation"):
        if isinstance(own.get(key), int):
            own[key] = (own[key],) * dims
    if own.get("stride") is None:
        own["stride"] = own.get("kernel")
    if set(own.get("stride") or ()) == {1}:
        own["stride"] = (1, 1)
    if set(own.get("dilation") or ()) <= {1}:
        own["dilation"] = (1, 1)
    operation = known[0]
    if (
        operation.endswith("pool")
        and not operation.startswith("adaptive")
        and "kernel" not in own
    ):
        return operation, ()
    return describe(operation, own, shape)


def describe(
    operation: str, settings: dict, shape: tuple[int, ...]
) -> tuple[str, tuple]:
    """What a reader calls a step, and what else is particular about it.

    >>> describe("conv", {"kernel": (3, 3), "stride": (2, 2)}, (64, 14, 14))
    ('conv 3×3, 64', ('stride 2',))
    """
    notes = []
    stride, dilation = settings.get("stride"), settings.get("dilation", (1, 1))
    if stride and stride != (1, 1):
        notes.append(f"stride {_times(stride)}")
    if dilation != (1, 1):
        notes.append(f"dilation {_times(dilation)}")
    if settings.get("groups", 1) > 1:
        notes.append(f"{settings['groups']} groups")
    if operation == "conv":
        text = f"conv {'×'.join(map(str, settings['kernel']))}, {shape[0]}"
    elif operation == "linear":
        text = f"linear, {shape[-1]}"
    elif operation.startswith("adaptive "):
        sides = "×".join(map(str, shape[1:]))
        text = f"{operation.removeprefix('adaptive ')} to {sides}"
    elif operation.endswith("pool"):
        text = f"{operation} {'×'.join(map(str, settings['kernel']))}"
    else:
        text = WORDS.get(operation, operation)
    return text, tuple(notes)


def _times(pair: tuple[int, int]) -> str:
    """(2, 2) → "2"; (1, 2) → "1×2"."""
    return str(pair[0]) if len(set(pair)) == 1 else "×".join(map(str, pair))
