"""What a training step needs: weights, gradients, optimiser, and what the backward
pass keeps.

Nothing of it is run. The network's forward goes over shapes once more (`Step`), and
of each call is asked what autograd would save. The answer is not written down here,
function by function: the first call of a function with such shapes is made on
tensors without data, with gradients wanted, and torch's own hooks tell what it
saved, what its outputs share with its inputs, and what its backward hands on
(`learn`). The next such call is looked up.

From that follow the storages that are alive at each moment of the step. The forward
frees what Python drops, as it would with data; the backward goes through the calls
the other way, makes the gradients, and frees what they no longer need. Two steps,
of two and of three images, tell what grows with the batch from what does not.

What is left out: workspaces of cuDNN and BLAS, what the allocator wastes by
fragments and by rounding up, the CUDA context, and copies that a data loader holds.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_flatten, tree_iter, tree_map_only

from cnnbook._arguments import short
from cnnbook.profiling.rows import ProfileError
from cnnbook.profiling.rules import GETTERS
from cnnbook.profiling.shapes import FACTORIES, META, Shapes, writes

KB, GIB = 1024, 1 << 30
STATES = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}  # copies of the weights


@dataclass(frozen=True)
class Training:
    """The memory of a training step, in KB.

    Attributes:
        weights_kb: the parameters.
        gradients_kb: of the parameters that are trained.
        optimizer_kb: what the optimiser keeps of each: nothing (sgd), one number
            (momentum) or two (adam, adamw).
        kept_kb: what the forward pass of one image keeps for the backward pass, the
            image counted; in bf16 also the copies of the weights, which do not grow
            with the batch.
        device: whose kernels: a GPU keeps a dropout's mask in a byte an element, a
            CPU in four.
        precision: fp32, or bf16 with `torch.autocast`.
    """

    weights_kb: float
    gradients_kb: float
    optimizer_kb: float
    kept_kb: float
    device: str
    moments: Moments = field(repr=False)
    precision: str = "fp32"

    def peak_kb(self, batch: int) -> float:
        """The most that is alive at once in a step of `batch` images."""
        return float(self._alive(batch).max()) / KB

    def peak_moment(self, batch: int) -> str:
        """When that is: "forward of layer1.0.conv1" and the like."""
        return self.moments.names[int(self._alive(batch).argmax())]

    def largest_batch(self, gib: float) -> int:
        """The most images whose step stays within `gib` GiB; 0 if not even one
        does.

        Leave room for what is not counted: see the module's text.
        """
        room = (
            gib * GIB
            - self.weights_kb * KB
            - self.optimizer_kb * KB
            - self.moments.fixed
        )
        grows = self.moments.each > 0
        if (room < 0).any() or not grows.any():
            return 0
        return int((room[grows] / self.moments.each[grows]).min())

    def _alive(self, batch: int) -> np.ndarray:
        if type(batch) is not int or batch < 1:
            raise ValueError(f"batch is a positive number of images, got {batch!r}")
        constant = (self.weights_kb + self.optimizer_kb) * KB
        return constant + self.moments.fixed + batch * self.moments.each

    def to_dict(self) -> dict[str, Any]:
        names = (
            "weights_kb",
            "gradients_kb",
            "optimizer_kb",
            "kept_kb",
            "device",
            "precision",
        )
        return {name: getattr(self, name) for name in names}


class Moments(NamedTuple):
    """The bytes alive beside weights and optimiser, moment by moment: a fixed part,
    and an image's.

    Only the moments that are the peak for some batch are kept.
    """

    fixed: np.ndarray
    each: np.ndarray
    names: tuple[str, ...]


# Storages, and what calls do with them


class Block:
    """A storage: alive from when it is made to when nothing refers to it."""

    __slots__ = ("step", "size", "row")

    def __init__(self, step: Step, size: int):
        self.step, self.size, self.row = step, size, len(step.layers) - 1
        step.alive += size
        step.moments.append((step.alive, step.now()))

    def __del__(self):
        self.step.alive -= self.size


class Call(NamedTuple):
    """What torch does with storages in one call of a function."""

    outs: list[int | None]  # by output: the input whose storage it shares
    strides: list[tuple[int, ...]]  # by output
    needs: list[bool]  # by output: whether a gradient goes through it
    saved: list[tuple[str, int]]  # ("input", i), ("output", j) or ("new", bytes)
    # An input, the output whose gradient it gets, bytes of that storage and of the
    # gradient itself: slices of a concatenation's share a larger one.
    grads: list[tuple[int, int | None, int, int]]


class Node(NamedTuple):
    """A call as the backward pass meets it."""

    outs: list[Any]  # slots
    # Slot, output, bytes of the storage and its own, whether a parameter's.
    grads: list[tuple[Any, int | None, int, int, bool]]
    saved: list[Block]
    name: str


# What has been learnt, for as long as the process lives.
CALLS: dict[Any, Call] = {}
MOST_CALLS = 20_000


def learn(func, args, kwargs, needs: dict[int, bool], device: str) -> Call:
    """Call `func` on tensors without data, and see what torch saves and shares."""
    try:
        return _learn(func, args, kwargs, needs, device, copies=False)
    except RuntimeError:  # autograd lets no leaf be written to in place
        return _learn(func, args, kwargs, needs, device, copies=True)


def _learn(func, args, kwargs, needs, device, copies: bool) -> Call:
    leaves, given = {}, {}

    def stand_in(t: Tensor) -> Tensor:
        if id(t) not in given:
            leaf = torch.empty_strided(
                t.shape, t.stride(), dtype=t.dtype, device=META
            )
            leaves[id(t)] = leaf.requires_grad_(needs[id(t)])
            given[id(t)] = leaf.clone() if copies and needs[id(t)] else leaf
        return given[id(t)]

    saved: list[Tensor] = []

    def pack(t: Tensor) -> Tensor:
        saved.append(t)
        return t

    own_args, own_kwargs = tree_map_only(Tensor, stand_in, (args, kwargs))
    own_args, own_kwargs = tree_map_only(
        torch.device, lambda _: META, (own_args, own_kwargs)
    )
    if func in FACTORIES:  # a device by its name, too: nothing is drawn for real
        own_kwargs = dict(own_kwargs) | {"device": META}
    with saved_tensors_hooks(pack, lambda t: t):
        out = func(*own_args, **own_kwargs)
    if out is None and writes(func):
        out = own_args[0]
    outs = [t for t in tree_iter(out) if isinstance(t, Tensor)]
    inputs = {storage(t): i for i, t in enumerate(given.values())}
    outputs = {storage(t): j for j, t in reversed(list(enumerate(outs)))}
    kept: dict[int, tuple[str, int]] = {}
    for t in saved:
        key = storage(t)
        if key in inputs:
            kept[key] = "input", inputs[key]
        elif key in outputs:
            kept[key] = "output", outputs[key]
        else:
            kept[key] = "new", t.untyped_storage().nbytes()
    shared = [inputs.get(storage(t)) for t in outs]
    strides, through = [t.stride() for t in outs], [t.requires_grad for t in outs]
    call = Call(
        shared, strides, through, list(kept.values()), _gradients(outs, leaves)
    )
    return FUSED[func](call, args, outs, device) if func in FUSED else call


def _gradients(
    outs: list[Tensor], leaves: dict[int, Tensor]
) -> list[tuple[int, int | None, int, int]]:
    through = [j for j, t in enumerate(outs) if t.requires_grad]
    wanted = [(i, t) for i, t in enumerate(leaves.values()) if t.requires_grad]
    if not through or not wanted:
        return []
    handed = [torch.empty_like(outs[j]) for j in through]
    try:
        found: Sequence[Tensor] = torch.autograd.grad(
            [outs[j] for j in through],
            [t for _, t in wanted],
            handed,
            allow_unused=True,
        )
    except (RuntimeError, NotImplementedError):
        # No backward without data: gradients are as large as the inputs.
        found = [torch.empty_like(t) for _, t in wanted]
    owners = {storage(t): j for j, t in zip(through, handed, strict=True)}
    return [
        (
            i,
            owners.get(storage(grad)),
            grad.untyped_storage().nbytes(),
            grad.numel() * grad.element_size(),
        )
        for (i, _), grad in zip(wanted, found, strict=True)
        if grad is not None
    ]


def storage(t: Tensor) -> int:
    return t.untyped_storage()._cdata


def _multi_head_attention(
    call: Call, args, outs: list[Tensor], device: str
) -> Call:
    """With the kernel of `_fused_attention` inside, unless the scores are asked
    for."""
    if not call.needs[0] or len(outs) > 1:
        return call
    size, (queries, batch, _), heads = (
        outs[0].untyped_storage().nbytes(),
        outs[0].shape,
        args[4],
    )
    sums = 4 * batch * heads * queries
    return call._replace(
        saved=[("input", 0), ("new", 3 * size), ("new", size), ("new", sums)]
    )


def _fused_attention(call: Call, args, outs: list[Tensor], device: str) -> Call:
    """On a CPU and a GPU one kernel, which keeps no scores; without data torch
    takes them apart."""
    if not call.needs[0]:
        return call
    sums = 4 * outs[0].numel() // outs[0].shape[-1]
    return call._replace(
        saved=[
            ("input", 0),
            ("input", 1),
            ("input", 2),
            ("output", 0),
            ("new", sums),
        ]
    )


def _dropout(call: Call, args, outs: list[Tensor], device: str) -> Call:
    """A GPU's mask is of booleans."""
    if device != "cuda":
        return call
    saved = [
        ("new", outs[0].numel()) if kind == "new" else (kind, n)
        for kind, n in call.saved
    ]
    return call._replace(saved=saved)


FUSED = {
    F.multi_head_attention_forward: _multi_head_attention,
    F.scaled_dot_product_attention: _fused_attention,
    F.dropout: _dropout,
}


# What `torch.autocast` does to a function's tensors, by the function's name: 32-bit
# floats become bf16, or (on a GPU) the other way round. torch, "Autocast Op
# Reference".
HALVED = frozenset((
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "linear", "matmul", "__matmul__", "__rmatmul__", "mm",
    "bmm", "mv", "addmm", "baddbmm", "addbmm", "einsum",
    "multi_head_attention_forward", "scaled_dot_product_attention", "lstm", "gru",
    "rnn_tanh", "rnn_relu",
))  # fmt: skip
WIDENED = {
    "cpu": frozenset(),
    "cuda": frozenset((
        "softmax", "log_softmax", "layer_norm", "group_norm", "rms_norm", "norm",
        "exp", "expm1", "log", "log2", "log10", "log1p", "pow", "__pow__",
        "__rpow__", "reciprocal", "rsqrt", "sum", "prod", "cumsum", "cumprod",
        "softplus", "sinh", "cosh", "tan", "acos", "asin", "erfinv", "cdist",
        "cosine_similarity", "normalize",
    )),
}  # fmt: skip
PRECISIONS = ("fp32", "bf16")


class Step(Shapes):
    """A training step over shapes: the forward as in `Shapes`, with every storage
    followed."""

    def __init__(self, device: str, precision: str = "fp32"):
        super().__init__()
        self.autocasts = precision == "bf16"
        # A weight's copy by the weight's id, made once a step.
        self.halves: dict[int, Tensor] = {}
        self.log = deque(maxlen=0)  # which would keep every tensor alive
        self.answers = None  # autograd is to see each call
        self.device = device
        self.alive = 0  # bytes
        self.moments: list[tuple[int, str]] = []
        self.nodes: list[Node] = []
        self.kept: dict[int, Block] = {}
        self.given: list[Block] = []
        self.phase, self.at_call = "forward", ""

    def now(self) -> str:
        return f"{self.phase} of {self.where[0] or self.at_call}"

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in GETTERS:
            return func(*args, **kwargs)
        if self.autocasts:
            name = getattr(func, "__name__", "")
            if name in HALVED:
                args, kwargs = self.cast(
                    (args, kwargs), torch.float32, torch.bfloat16
                )
            elif name in WIDENED[self.device]:
                args, kwargs = self.cast(
                    (args, kwargs), torch.bfloat16, torch.float32
                )
        out = super().__torch_function__(func, types, args, kwargs)
        return self.follow(func, args, kwargs, out)

    def cast(self, value: Any, old: torch.dtype, new: torch.dtype) -> Any:
        """`value` with each tensor of type `old` in the type `new`, copied as
        autocast does it."""

        def copied(t: Tensor) -> Tensor:
            if t.dtype != old:
                return t
            if id(t) in self.halves:
                return self.halves[id(t)]
            made = self.__torch_function__(Tensor.to, (Tensor,), (t, new))
            if t.requires_grad:  # a weight: its copy serves the whole forward
                self.halves[id(t)] = made
            return made

        return tree_map_only(Tensor, copied, value)

    def release(self) -> None:
        self.halves.clear()
        super().release()

    def follow(self, func, args, kwargs, out: Any) -> Any:
        made = args[0] if out is None and writes(func) else out
        flat, form = tree_flatten(made)
        if not any(isinstance(t, Tensor) for t in flat):
            return out
        inputs: list[Tensor] = []
        description: list[Any] = []
        for value in tree_flatten((args, kwargs))[0]:
            if isinstance(value, Tensor):
                if not any(value is t for t in inputs):
                    inputs.append(value)
                description.append(
                    (
                        tuple(value.shape),
                        value.stride(),
                        value.dtype,
                        wants_gradient(value),
                        next(i for i, t in enumerate(inputs) if t is value),
                    )
                )
            else:
                description.append(
                    value if type(value) in (int, float, str) else repr(value)
                )
        names = tuple(kwargs)
        key = (
            func,
            names,
            tuple(description),
            self.device,
            torch.is_grad_enabled(),
        )
        call = CALLS.get(key)
        if call is None:
            if len(CALLS) > MOST_CALLS:
                CALLS.clear()
            needs = {id(t): wants_gradient(t) for t in inputs}
            call = CALLS[key] = self.learnt(func, args, kwargs, needs, flat)
        return self.recorded(call, inputs, out, flat, form)

    def learnt(self, func, args, kwargs, needs, flat) -> Call:
        try:
            return learn(func, args, kwargs, needs, self.device)
        except Exception:  # torch has no gradient of it without data
            outs = [t for t in flat if isinstance(t, Tensor)]
            floating = any(needs.values()) and torch.is_grad_enabled()
            strides = [t.stride() for t in outs]
            return Call([None] * len(outs), strides, [floating] * len(outs), [], [])

    def recorded(self, call: Call, inputs: list[Tensor], out, flat, form) -> Any:
        """Give the outputs their blocks, and remember the call for the backward
        pass."""
        slots: list[tuple[object, Any] | None] = []
        blocks: list[Block | None] = []
        j = 0
        for k, t in enumerate(flat):
            if not isinstance(t, Tensor):
                continue
            shared = call.outs[j]
            like = any(t is i or storage(t) == storage(i) for i in inputs)
            if shared is None and (like or t.stride() != call.strides[j]):
                # A rule's answer has only its shape.
                t = flat[k] = _apart(t, call.strides[j])
            noted: Any = t
            if shared is None:
                noted.block = Block(self, t.untyped_storage().nbytes())
            else:
                noted.block = getattr(inputs[shared], "block", None)
            if id(t) in self.params:
                blocks.append(None)
                slots.append(None)
            else:
                slot = object()
                blocks.append(noted.block)
                slots.append((slot, t))
            j += 1
        if any(call.needs):
            grads = [
                (
                    self.slot_of(inputs[i]),
                    source,
                    size,
                    own,
                    inputs[i].requires_grad,
                )
                for i, source, size, own in call.grads
            ]
            found: list[Block | None] = []
            for kind, n in call.saved:
                if kind == "new":
                    found.append(Block(self, n))
                elif kind == "input":
                    found.append(getattr(inputs[n], "block", None))
                else:
                    found.append(blocks[n])
            saved = [block for block in found if block is not None]
            self.kept.update((id(block), block) for block in saved)
            self.nodes.append(
                Node([s and s[0] for s in slots], grads, saved, self.where[0])
            )
        for pair, needs in zip(slots, call.needs, strict=True):
            if pair is not None:
                pair[1].slot, pair[1].needs = pair[0], needs
        return (
            out
            if out is None
            else form.unflatten(flat)
            if not isinstance(out, Tensor)
            else flat[0]
        )

    @staticmethod
    def slot_of(t: Tensor) -> Any:
        return id(t) if t.requires_grad else getattr(t, "slot", None)

    def begin(self, image: Tensor) -> None:
        """`image` is there before the step, and after it: who trains holds it."""
        noted: Any = image
        noted.block = Block(self, image.untyped_storage().nbytes())
        self.given.append(noted.block)

    def backward(self, outputs: list[Tensor]) -> None:
        """Go through the calls the other way; `outputs` is emptied, for nothing
        else holds them."""
        self.phase = "backward"
        self.kept.clear()
        slots: dict[Any, Block] = {}
        weights: dict[int, Block] = {}
        while outputs:
            t: Any = outputs.pop()
            if wants_gradient(t):
                slots[t.slot] = Block(self, t.untyped_storage().nbytes())
            t = None
        while self.nodes:
            node = self.nodes.pop()
            self.at_call = node.name
            outs = [slots.pop(slot, None) for slot in node.outs]
            if all(block is None for block in outs):
                continue
            made: list[Block] = []
            for _, source, size, _, _ in node.grads:
                block = outs[source] if source is not None else None
                made.append(Block(self, size) if block is None else block)
            block = None
            # It is given all of them at once.
            for slot, source, _, own, is_parameter in node.grads:
                if is_parameter:
                    weights.setdefault(slot, made[0])
                elif slot not in slots:
                    slots[slot] = made[0]
                elif not _takes_sum(slots, slot, own, _ALONE):
                    # `outs` refers to what was handed on.
                    held = _ALONE + (source is not None)
                    fills = _takes_sum(made, 0, own, held)
                    slots[slot] = made[0] if fills else Block(self, own)
                del made[0]
            del node, outs


def _references(block: object) -> int:
    return sys.getrefcount(block)


# Of what a list or a dictionary alone refers to; Pythons count otherwise.
_LISTED = [object()]
_ALONE = _references(_LISTED[0])


def _takes_sum(place: Any, at: Any, own: int, held: int) -> bool:
    """Whether autograd adds to the gradient ``place[at]`` of `own` bytes.

    It does where nothing else refers to it (`held` references are known) and it
    fills its storage; else the sum is a new tensor.
    """
    return place[at].size == own and _references(place[at]) <= held


def wants_gradient(t: Tensor) -> bool:
    return t.requires_grad or getattr(t, "needs", False)


def _apart(t: Tensor, stride: tuple[int, ...]) -> Tensor:
    out = torch.empty_strided(t.shape, stride, dtype=t.dtype, device=META)
    for name in ("reach", "value"):
        if hasattr(t, name):
            setattr(out, name, getattr(t, name))
    return out


# Two steps, and what they tell


def training_of(
    step_of,
    parameters: list[Tensor],
    buffers: list[Tensor],
    optimizer: str,
    device: str,
) -> tuple[Training, list[int]]:
    """The memory of a step, and by row the bytes that one image keeps.

    Args:
        step_of: makes the step of a number of images: (its `Step` after the
            forward, its outputs).
    """
    if not isinstance(optimizer, str) or optimizer not in STATES:
        raise ProfileError(
            f"optimizer is one of {', '.join(STATES)}; got {short(optimizer)}"
        )
    kept, rows, moments = [], [], []
    for batch in (2, 3):
        step, outputs = step_of(batch)
        step.at_call = "the loss"
        blocks = step.kept.values()
        kept.append(sum(block.size for block in blocks))
        by_row = [0] * (len(step.layers) + 1)
        for block in blocks:
            by_row[block.row] += block.size  # -1, the last, is before the first row
        rows.append(by_row)
        block = blocks = None  # lest one is held until the end
        step.backward(outputs)
        moments.append(step.moments)
    two, three = (
        np.array([alive for alive, _ in each], dtype=float) for each in moments
    )
    if len(two) != len(three):
        raise ProfileError(
            "the network does other things with three images than with two"
        )
    trained = sum(_bytes(p) for p in parameters if p.requires_grad)
    each, fixed = three - two, 3 * two - 2 * three
    fixed += sum(map(_bytes, buffers))
    chosen = _hull(fixed, each)
    training = Training(
        weights_kb=sum(map(_bytes, parameters)) / KB,
        gradients_kb=trained / KB,
        optimizer_kb=STATES[optimizer] * trained / KB,
        kept_kb=(2 * kept[0] - kept[1]) / KB,
        device=device,
        moments=Moments(
            fixed[chosen], each[chosen], tuple(moments[0][i][1] for i in chosen)
        ),
    )
    return training, [2 * a - b for a, b in zip(*rows, strict=True)]


def _bytes(t: Tensor) -> int:
    return t.numel() * t.element_size()


def _hull(fixed: np.ndarray, each: np.ndarray) -> list[int]:
    """The moments that are the highest for some batch, by the slope of their
    lines."""
    hull: list[int] = []
    for i in sorted(range(len(each)), key=lambda i: (each[i], fixed[i])):
        while hull and (
            fixed[hull[-1]] <= fixed[i]
            or len(hull) > 1
            and (fixed[hull[-2]] - fixed[i]) * (each[hull[-1]] - each[hull[-2]])
            <= (fixed[hull[-2]] - fixed[hull[-1]]) * (each[i] - each[hull[-2]])
        ):
            hull.pop()
        hull.append(i)
    return hull
