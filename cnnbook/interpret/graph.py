"""A network's one graph: its steps, what each reads, and what a reader would call
it.

Block drawings, the explorer's networks, the live page and pictures of whole
networks are all made from it. It is found by running the network's own ``forward``
once, on tensors without data, and writing down every torch function that is called
on the way: what no module shows (`F.relu`, ``+``, ``torch.cat``, ``flatten``) is a
step like any other.

>>> from cnnbook import models
>>> from cnnbook.interpret.graph import graph
>>> net = graph(models.resnet20(in_channels=1), (1, 28, 28))
>>> net["layer1.0.conv1"].label, net["layer1.0.add"].inputs
('conv 3×3, 16', ('layer1.0.bn2', 'layer1.0.downsample'))
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import DisableTorchFunction
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter

from cnnbook.profiling.labels import OPERATIONS, SPELT, describe

PAIRS = {"kernel", "stride", "padding", "dilation"}
ROWS = ("conv", "linear", "pool")  # the kinds that have a row in a profile
READS = ("input", "tensors", "tensor")  # keywords of what a function reads


@dataclass(frozen=True)
class Node:
    """One step of a network.

    Attributes:
        name: of a row of `cnnbook.profile(...).table` as there; of any other module
            its path, ``layer1.0.bn1``; of a function the path of the module that
            calls it and the function, ``layer1.0.add``. Used again it is numbered:
            ``layer1.0.relu#2``.
        operation: conv, linear, max pool, adaptive avg pool, batch norm, relu, add,
            …; the function's or the module's own name where the book has none.
            "input" of the first.
        kind: conv, linear, pool, norm, activation, dropout, join, shape (moves or
            pads, and computes nothing), same (the identity), input or other.
        label: what a reader calls it: "conv 3×3, 64".
        notes: what else is particular, in words: "stride 2", "32 groups".
        shape: of its output, without the batch: (C, H, W) or (N,).
        inputs: names of the steps whose outputs it reads, in the order of its
            arguments.
        module: path of the module that it is or that calls it; "" is the network
            itself.
        block: path of the block it belongs to, the outermost module that is no row
            of layers: ``layer1.0``, ``inception3a``; "" outside of one.
        settings: its numbers by name: ``kernel`` (height, width), ``stride``,
            ``groups``, …
        tensors: its parameters and buffers: their role (weight, bias, mean, var)
            and their key in the network's ``state_dict``.
    """

    name: str
    operation: str
    kind: str
    label: str
    notes: tuple[str, ...]
    shape: tuple[int, ...]
    inputs: tuple[str, ...]
    module: str = ""
    block: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The steps of a network in execution order; the first is the input, named
    "input".

    Attributes:
        name: the network's class.
        nodes: the steps.
        output: the name of the step whose output the network gives.
        modules: of each module that ran and is no single step, the step that gave
            its output: ``layer1.0`` → ``layer1.0.relu#2``.
    """

    name: str
    nodes: tuple[Node, ...]
    output: str
    modules: dict[str, str]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        """The step of this name, or the one that gives the output of the module
        `name`."""
        name = self.modules.get(name, name)
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(f"{self.name} has no step {name!r}")

    def readers(self) -> dict[str, list[Node]]:
        """For each step those that read its output, in execution order."""
        found: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found[name].append(node)
        return found


def graph(model: nn.Module, input_size: tuple[int, int, int]) -> Graph:
    """The steps of `model` in inference on one image of `input_size` (C, H, W).

    The caller's model is only read; its weights are not copied, and nothing is
    computed.

    Raises:
        ValueError: if the images do not fit the network, or it asks for values of
            activations.
    """
    _check(model)
    tracer = Tracer(without_values(model))
    try:
        with torch.no_grad(), tracer:
            output = tracer.model(
                tracer.start(torch.empty(1, *input_size, device="meta"))
            )
    except (RuntimeError, NotImplementedError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{type(model).__name__} cannot be drawn at {input_size}: {reason}"
        ) from None
    return tracer.graph(output)


def activations(model: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """Every activation of `model` in inference on one image C × H × W, by the
    step's name.

    ``input``; every row of the profile's table by its name there, which is the
    layer's own output, before a batch norm; every other step; and every module that
    is no single step, such as a block, by its path. Without the batch dimension;
    copies, which nothing that follows in place has changed.

    Raises:
        ValueError: if `image` has no three dimensions or does not fit the network.
    """
    _check(model)
    if not isinstance(image, Tensor) or image.dim() != 3:
        raise ValueError("activations() takes one image, a tensor of C × H × W")
    found: dict[str, Tensor] = {}
    tracer = Tracer(sharing_values(model), keep=found.__setitem__)
    with torch.no_grad(), tracer:
        tracer.model(tracer.start(image[None].clone()))
    modules = {name: found[step] for name, step in tracer.modules.items()}
    return {name: value[0] for name, value in (found | modules).items()}


def _check(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"a graph is of a torch.nn.Module, got {type(model).__name__}"
        )


# Copies of a network, in inference and without hooks, over other tensors or the
# same


def without_values(model: nn.Module) -> nn.Module:
    """A copy of `model` whose parameters and buffers have shapes alone."""
    return _copy(model, lambda tensor: torch.empty_like(tensor, device="meta"))


def sharing_values(model: nn.Module) -> nn.Module:
    """A copy of `model` with the very same parameters and buffers."""
    return _copy(model, lambda tensor: tensor)


def _copy(model: nn.Module, twin: Callable[[Tensor], Tensor]) -> nn.Module:
    tensors = [*model.parameters(), *model.buffers()]
    memo = {
        id(tensor): nn.Parameter(twin(tensor.data), requires_grad=False)
        if isinstance(tensor, nn.Parameter)
        else twin(tensor)
        for tensor in tensors
    }
    made = copy.deepcopy(model, memo).eval()
    for module in made.modules():
        for name, hooks in vars(module).items():
            if name.endswith("_hooks") and hooks:
                setattr(module, name, type(hooks)())
    return made


# The pass over the network


@dataclass
class _Running:
    """A module that runs: where, whether it is one step, and the functions it has
    called."""

    path: str
    is_step: bool
    has_children: bool
    calls: list[tuple] = field(default_factory=list)
    reads: tuple[str, ...] = ()


class Tracer(TorchFunctionMode):
    """Writes down the steps of `model`, which it owns, while the model runs under
    it.

    `keep`, if given, is called with the name and a copy of the output of each step.
    """

    def __init__(
        self, model: nn.Module, keep: Callable[[str, Tensor], None] | None = None
    ):
        super().__init__()
        self.model, self.keep = model, keep
        self._blocks: dict[str, str] = {}
        named = [*model.named_parameters(), *model.named_buffers()]
        self._keys = {id(tensor): key for key, tensor in named}
        for path, module in model.named_modules():
            self._watch(path, module)
        self._forget()

    def _forget(self) -> None:
        self.nodes: list[Node] = []
        self.modules: dict[str, str] = {}
        self._running = [_Running("", False, True)]
        self._uses: dict[str, int] = {}
        # The step that gave a tensor, by the tensor's id.
        self._steps: dict[int, str] = {}
        self._alive: list[Tensor] = []  # so that no id is given twice

    def start(self, image: Tensor) -> Tensor:
        """Forget an earlier pass, and name `image` the input of the next."""
        self._forget()
        self._add(
            "input", Node("input", "input", "input", "image", (), (), ()), image
        )
        return image

    def graph(self, output: Any) -> Graph:
        """What has been written down, once the network gave `output`."""
        outputs = [t for t in tree_iter(output) if isinstance(t, Tensor)]
        if not outputs or id(outputs[0]) not in self._steps:
            raise ValueError(
                f"{type(self.model).__name__} gives no tensor made of its input"
            )
        steps = {node.name for node in self.nodes[1:]}
        modules = {
            path: step for path, step in self.modules.items() if path not in steps
        }
        name, last = type(self.model).__name__, self._steps[id(outputs[0])]
        return Graph(name, tuple(self.nodes), last, modules)

    # Modules

    def _watch(self, path: str, module: nn.Module) -> None:
        has_children = next(module.children(), None) is not None
        is_row = isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
        # A layer of torch's own is one step, whatever it calls.
        is_step = type(module).__module__.startswith("torch.nn.") and not is_row
        parent = path.rpartition(".")[0]
        inherited = self._blocks.get(parent, "")
        is_block = not (inherited or is_row or is_step or not path)
        self._blocks[path] = path if is_block else inherited

        def enter(module, args, kwargs):
            reads = self._reads((args, kwargs)) if is_step else ()
            self._running.append(_Running(path, is_step, has_children, reads=reads))

        def leave(module, args, kwargs, output):
            frame = self._running.pop()
            if is_step and not self._inside_step():
                output = self._layer(frame, module, output)
            elif (
                not is_step
                and isinstance(output, Tensor)
                and id(output) in self._steps
            ):
                self.modules[path] = self._steps[id(output)]
            return output

        module.register_forward_pre_hook(enter, with_kwargs=True)
        module.register_forward_hook(leave, with_kwargs=True)

    def _inside_step(self) -> bool:
        return any(frame.is_step for frame in self._running)

    def _layer(self, frame: _Running, module: nn.Module, output: Any) -> Any:
        """Write down the step of a layer that has run."""
        if not isinstance(output, Tensor):
            return output
        if not frame.calls:  # or one that changes nothing in inference
            output = self._another(output)
            output = self._function(frame, "identity", (), {}, output, frame.reads)
        elif len(frame.calls) == 1:
            ((function, args, kwargs),) = frame.calls
            if function not in OPERATIONS:
                function = type(module).__name__
            output = self._another(output) if function == "dropout" else output
            output = self._function(
                frame, function, args, kwargs, output, frame.reads
            )
        elif frame.calls[-1][0] == "conv2d":
            # Its padding, which is not of zeros, was a function of its own.
            function, args, kwargs = frame.calls[-1]
            kwargs = kwargs | {"padding_mode": module.padding_mode}
            output = self._function(
                frame, function, args, kwargs, output, frame.reads
            )
        else:
            function = type(module).__name__
            output = self._function(frame, function, (), {}, output, frame.reads)
        return output

    def _another(self, tensor: Tensor) -> Tensor:
        """Another tensor of the same values, which stands for another step."""
        with DisableTorchFunction():
            return tensor.view_as(tensor) if id(tensor) in self._steps else tensor

    # Functions

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", str(func))
        if name == "batch_norm" and next(_tensors(args)).is_meta:
            # torch's own Python for it would take longest.
            output = torch.empty_like(args[0])
        else:
            output = self.called(func, args, kwargs)
        if self._inside_step():
            if self._running[-1].is_step and _has_tensor(output):
                self._running[-1].calls.append((name, args, kwargs))
            return output
        reads, frame = self._reads((args, kwargs)), self._running[-1]
        if reads and isinstance(output, Tensor):
            if not name.endswith("_"):
                output = self._another(output)
            output = self._function(frame, name, args, kwargs, output, reads)
        elif reads and isinstance(output, tuple | list):
            for part in filter(torch.is_tensor, output):
                self._function(frame, name, args, kwargs, part, reads)
        return output

    def called(self, func: Callable, args: tuple, kwargs: dict) -> Any:
        """What stands for the result of a torch function: the result itself."""
        return func(*args, **kwargs)

    def changed(self, name: str, output: Tensor) -> Tensor:
        """What stands for the output of the step `name` from now on: the output
        itself."""
        return output

    def _reads(self, arguments: Any) -> tuple[str, ...]:
        return tuple(
            self._steps[id(t)] for t in _tensors(arguments) if id(t) in self._steps
        )

    def _function(
        self, frame: _Running, function, args, kwargs, output, reads
    ) -> Tensor:
        operation, kind, arguments = OPERATIONS.get(
            function, (function, "other", {})
        )
        if function == "identity":
            kind = "same"
        settings, tensors = self._arguments(arguments, args, kwargs)
        if operation == "conv":
            settings["padding_mode"] = kwargs.get("padding_mode", "zeros")
            settings = {"kernel": None} | settings
            settings["kernel"] = tuple(self._weight(args, kwargs).shape[2:])
        elif operation == "add" and len(reads) == 1:
            # A tensor and a number, as sum() starts.
            numbers = [
                n for n in (*args, *kwargs.values()) if isinstance(n, int | float)
            ]
            settings["number"] = numbers[0] if numbers else None
        elif operation == "mul" and len(reads) == 1:
            # A tensor and a parameter, on either side, or a number.
            for tensor in _tensors((args, kwargs)):
                if id(tensor) in self._keys:
                    tensors["weight"] = self._keys[id(tensor)]
                    settings["size"] = tuple(tensor.shape)
        elif operation == "permute":
            # Each on its own, or all as one.
            settings["dims"] = tuple(
                args[1:] if len(args) > 2 else settings["dims"]
            )
        elif (
            operation.endswith("pool")
            and "stride" in settings
            and not settings["stride"]
        ):
            settings["stride"] = settings["kernel"]
        for name in PAIRS & settings.keys():
            settings[name] = _pair(settings[name])
        shape = tuple(output.shape[1:])
        label, notes = describe(operation, settings, shape)
        owner, _, key = tensors.get("weight", "").rpartition(".")
        if kind in ROWS and key == "weight":
            name = owner
        elif frame.is_step or (kind in ROWS and not frame.has_children):
            name = frame.path
        else:
            name = f"{frame.path}.{function.strip('_')}".lstrip(".")
        node = Node(name, operation, kind, label, notes, shape, reads, frame.path,
                    self._blocks.get(frame.path, ""), settings,
                    tensors)  # fmt: skip
        return self._add(name, node, output)

    def _arguments(
        self, arguments: dict, args, kwargs
    ) -> tuple[dict, dict[str, str]]:
        """The settings of a function, and the keys of the parameters among its
        arguments."""
        given = dict(zip(arguments, args[1:], strict=False))
        given |= {SPELT.get(key, key): value for key, value in kwargs.items()}
        given = {key: given.get(key, value) for key, value in arguments.items()}
        tensors = {
            k: self._keys[id(v)] for k, v in given.items() if id(v) in self._keys
        }
        settings = {
            key: value
            for key, value in given.items()
            if not key.startswith("_")
            and key not in ("weight", "bias", "mean", "var")
        }
        return settings, tensors

    @staticmethod
    def _weight(args, kwargs) -> Tensor:
        return args[1] if len(args) > 1 else kwargs["weight"]

    def _add(self, name: str, node: Node, output: Tensor) -> Tensor:
        uses = self._uses[name] = self._uses.get(name, 0) + 1
        if uses > 1:
            name = f"{name}#{uses}"
        with DisableTorchFunction():
            output = self.changed(name, output)
        self.nodes.append(replace(node, name=name, shape=tuple(output.shape[1:])))
        self._steps[id(output)] = name
        self._alive.append(output)
        if self.keep is not None:
            with DisableTorchFunction():
                self.keep(name, output.clone())
        return output


def _tensors(arguments: Any) -> Iterator[Tensor]:
    return (each for each in tree_iter(arguments) if isinstance(each, Tensor))


def _has_tensor(value: Any) -> bool:
    return next(_tensors(value), None) is not None


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value
