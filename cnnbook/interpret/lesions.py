"""What a network loses without one of its parts.

Veit, Wilber, Belongie, *Residual Networks Behave Like Ensembles of Relatively
Shallow Networks*, NeurIPS 2016, section 4.1: a residual network goes on working
without any single one of its blocks, a plain one does not. Zeiler, Fergus, ECCV
2014, table 3, take layers out of AlexNet (and train what is left again, which is
not done here).

A part is switched off in one of two ways. Where its output has the shape of its
input, the input passes on in its place; elsewhere its output is zeros. A residual
block without its layers is its shortcut: its residual is zeros.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_iter

from cnnbook import models
from cnnbook.interpret.graph import Graph, Node, Tracer, graph, sharing_values

if TYPE_CHECKING:
    import pandas as pd

Z95 = 1.959964  # of the normal distribution: the samples are thousands of images
BATCH = 100  # a quarter of a gigabyte for resnet20


@dataclass(frozen=True)
class Part:
    """Something that can be switched off.

    Attributes:
        name: its kind and its place: ``block layer1.0``, ``layer features.3``.
        kind: block, shortcut, branch or layer.
        label: what a reader calls it.
        how: "zeros", or "its input" where that passes on in its place.
        changes: by step the step whose output stands in its place; None: zeros.
    """

    name: str
    kind: str
    label: str
    how: str
    changes: dict[str, str | None]


def parts(steps: Graph) -> list[Part]:
    """The parts of a network that can be switched off one by one, in execution
    order."""
    readers = steps.readers()
    found: list[Part] = []
    for node in steps:
        if node.kind == "join" and len(node.inputs) > 1:
            ends = [name for name in node.inputs if len(readers[name]) == 1]
            if len(ends) == len(node.inputs):
                found += _of_join(steps, node)
        found += _of_layer(steps, node, readers)
    return found + _plain_blocks(steps)


def _of_join(steps: Graph, join: Node) -> list[Part]:
    where = join.block or join.module or join.name
    if join.operation == "concat":
        return [
            Part(
                f"branch {where}.{i}",
                "branch",
                f"{where}: branch {i}, {_largest(steps, end)}",
                "zeros",
                {end: None},
            )
            for i, end in enumerate(join.inputs, 1)
        ]
    if len(join.inputs) != 2:
        return []
    ways = [_layers_before(steps, end) for end in join.inputs]
    residual, shortcut = join.inputs if ways[0] >= ways[1] else join.inputs[::-1]
    return [
        Part(f"block {where}", "block", f"residual block {where}", "zeros",
             {residual: None}),
        Part(f"shortcut {where}", "shortcut", f"shortcut of {where}", "zeros",
             {shortcut: None}),
    ]  # fmt: skip


def _layers_before(steps: Graph, name: str) -> int:
    """Convolutions on the single way back from a step to where paths part."""
    readers, count, node = steps.readers(), 0, steps[name]
    while len(node.inputs) == 1 and len(readers[node.name]) == 1:
        count += node.kind == "conv"
        node = steps[node.inputs[0]]
    return count


def _largest(steps: Graph, name: str) -> str:
    """The layer of a branch that gives it its name: the last convolution or pool
    but for 1×1."""
    readers, node, seen = steps.readers(), steps[name], []
    while len(node.inputs) == 1 and len(readers[node.name]) == 1:
        if node.kind in ("conv", "pool"):
            seen.append(node)
        node = steps[node.inputs[0]]
    large = [each for each in seen if each.settings.get("kernel", (1, 1)) != (1, 1)]
    return (large or seen or [steps[name]])[0].label


def _of_layer(
    steps: Graph, node: Node, readers: dict[str, list[Node]]
) -> list[Part]:
    """A layer with weights and what follows it; not the last, which names the
    classes."""
    if node.kind not in ("conv", "linear") or node.name == steps.output:
        return []
    last = node
    while len(readers[last.name]) == 1 and readers[last.name][0].kind in (
        "norm",
        "activation",
        "dropout",
    ):
        (last,) = readers[last.name]
    before = steps[node.inputs[0]]
    passes = before.shape == last.shape and before.kind != "input"
    change = {last.name: before.name if passes else None}
    how = "its input" if passes else "zeros"
    label = f"{node.name}: {node.label}"
    return [Part(f"layer {node.name}", "layer", label, how, change)]


def _plain_blocks(steps: Graph) -> list[Part]:
    """Blocks of layers without a join, whose input can pass on in their place."""
    found = []
    for path in dict.fromkeys(node.block for node in steps if node.block):
        nodes = [node for node in steps if node.block == path]
        convs = sum(node.kind == "conv" for node in nodes)
        if any(node.kind == "join" for node in nodes) or convs < 2:
            continue
        first, last = nodes[0], nodes[-1]
        if steps[first.inputs[0]].shape == last.shape:
            changes: dict[str, str | None] = {last.name: first.inputs[0]}
            found.append(
                Part(
                    f"block {path}", "block", f"block {path}", "its input", changes
                )
            )
    return found


class _Changed(Tracer):
    """Runs a network with the output of some steps replaced, as often as it is
    asked.

    What the whole network made of some images is kept, call by call, so that each
    change is had for the price of what comes behind it.
    """

    def __init__(self, model: nn.Module, readers: dict[str, list[Node]]):
        super().__init__(sharing_values(model))
        self._readers = readers
        self._kept: list[_Call] = []
        self._memories: set[int] = set()  # where what is kept lies
        self._begin({}, keeps=False)

    def whole(self, images: Tensor) -> Tensor:
        """The logits of the network as it is; what it computes is kept."""
        self._kept.clear()
        logits = self._run(images, {}, keeps=True)
        values = (each.value for each in self._kept if each.value is not None)
        self._memories = set(map(_memory, values))
        return logits

    def without(self, images: Tensor, changes: dict[str, str | None]) -> Tensor:
        """The logits with some changes, of the images that :meth:`whole` had
        last."""
        logits = self._run(images, changes)
        if missing := changes.keys() - {node.name for node in self.nodes}:
            name = type(self.model).__name__
            raise ValueError(f"{name} has no step {sorted(missing)[0]!r}")
        return logits

    def _run(self, images: Tensor, changes: dict, keeps: bool = False) -> Tensor:
        self._begin(changes, keeps)
        with self:
            logits = self.model(self.start(images.clone()))
        self._outputs.clear()
        self._steps.clear()
        self._alive.clear()
        return logits

    def _begin(self, changes: dict[str, str | None], keeps: bool) -> None:
        self._changes, self._keeps, self._calls = changes, keeps, 0
        self._needed = set(changes.values()) - {None}
        self._outputs: dict[str, Tensor] = {}
        # What the changes reach: the names of steps, and the tensors' ids.
        self._behind, todo = set(changes), list(changes)
        self._reached: set[int] = set()
        while todo:
            names = {node.name for node in self._readers.get(todo.pop(), ())}
            todo += names - self._behind
            self._behind |= names

    def called(self, func: Callable, args: tuple, kwargs: dict) -> Any:
        call, self._calls = self._calls, self._calls + 1
        if self._keeps:
            output = func(*args, **kwargs)
            value = output.clone() if isinstance(output, Tensor) else None
            in_place = value is not None and any(output is each for each in args)
            self._kept.append(_Call(func, value, in_place))
            return output
        kept = self._kept[call] if call < len(self._kept) else _Call(None)
        if any(id(each) in self._reached for each in tree_iter((args, kwargs))):
            if kept.in_place and _memory(args[0]) in self._memories:
                args[0].data = args[0].clone()  # what is kept stays as it is
            output = func(*args, **kwargs)
            tensors = (t for t in tree_iter(output) if isinstance(t, Tensor))
            self._reached.update(map(id, tensors))
            return output
        if kept.value is None or kept.func != func:
            return func(*args, **kwargs)
        if kept.in_place:
            args[0].data = kept.value
            return args[0]
        return kept.value.view_as(kept.value)

    def changed(self, name: str, output: Tensor) -> Tensor:
        if name in self._needed:
            self._outputs[name] = output.clone()
        if name in self._changes:
            source = self._changes[name]
            output = (
                torch.zeros_like(output)
                if source is None
                else self._outputs[source].clone()
            )
        if name in self._behind:
            self._reached.add(id(output))
        return output


@dataclass(frozen=True)
class _Call:
    """A torch function, the tensor that it gave, and whether it changed its own."""

    func: Callable | None
    value: Tensor | None = None
    in_place: bool = False


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@torch.no_grad()
def without(
    model: nn.Module, images: Tensor, changes: dict[str, str | None]
) -> Tensor:
    """The logits of `images`, as `model` takes them, with the changes of a
    :class:`Part`.

    Raises:
        ValueError: if the network has no step of that name.
    """
    return _Changed(model, {}).without(images, changes)


@torch.no_grad()
def lesions(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    prepare: Callable[[Tensor], Tensor] = lambda images: images,
    kinds: tuple[str, ...] = ("block", "shortcut", "branch", "layer"),
    batch_size: int = BATCH,
) -> pd.DataFrame:
    """The accuracy of `model` without each single part, on the same images as with
    all.

    Args:
        images: N × C × H × W as `prepare` takes them, batch by batch.
        labels: N, the class of each.
        prepare: from stored images to what the network reads; unless given, the
            images as they are.
        kinds: of the parts that are looked at.
        batch_size: images at once; the values of all layers for so many are kept.

    Returns:
        A row per part, by its name, after one of the whole network (``""``). The
        columns are ``kind``, ``label``, ``how``, ``accuracy``, ``difference`` to
        the whole network, and its 95 % interval over images, ``low`` to ``high``;
        each image is compared with itself.
    """
    import pandas as pd

    channels, height, width = prepare(images[:1]).shape[1:]
    steps = graph(model, (channels, height, width))
    looked_at = [part for part in parts(steps) if part.kind in kinds]
    run = _Changed(model, steps.readers())
    right: dict[str, list[Tensor]] = {
        name: [] for name in ("", *(p.name for p in looked_at))
    }
    batches = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    for some, its in batches:
        some = prepare(some)
        right[""].append(run.whole(some).argmax(1) == its)
        for part in looked_at:
            right[part.name].append(
                run.without(some, part.changes).argmax(1) == its
            )
    whole, rows = torch.cat(right[""]).double(), []
    rows.append(
        ("network", "the whole network", "", float(whole.mean()), 0.0, 0.0, 0.0)
    )
    for part in looked_at:
        its = torch.cat(right[part.name]).double()
        difference = its - whole
        middle = float(difference.mean())
        half = Z95 * float(difference.std()) / math.sqrt(len(difference))
        rows.append((part.kind, part.label, part.how, float(its.mean()), middle,
                     middle - half, middle + half))  # fmt: skip
    heads = ["kind", "label", "how", "accuracy", "difference", "low", "high"]
    index = pd.Index(["", *(part.name for part in looked_at)], name="part")
    return pd.DataFrame(rows, columns=heads, index=index)


def as_json(table: pd.DataFrame, n: int, weights: str | Path, **about: Any) -> str:
    """The table of :func:`lesions` over `n` images as text that ships beside
    `weights`.

    It says by their checksum which weights it is of.
    """
    rows = [
        {"part": part, **{key: _rounded(value) for key, value in row.items()}}
        for part, row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    whole = rows.pop(0)
    text = {
        "n": n,
        "accuracy": whole["accuracy"],
        **about,
        "weights": _sha256(weights),
    }
    return json.dumps(text | {"rows": rows}, indent=1, ensure_ascii=False) + "\n"


def _rounded(value: Any) -> Any:
    return round(value, 5) if isinstance(value, float) else value


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def beside(weights: str | Path) -> Path:
    """Where the lesions of the network with this file of weights are:
    ``….lesions.json``."""
    path = Path(weights)
    return path.with_name(f"{path.name.removesuffix(path.suffix)}.lesions.json")


def read_lesions(weights: str | Path) -> dict[str, Any] | None:
    """What :func:`as_json` wrote beside the weights; None where nothing is.

    Raises:
        ValueError: if it was written for other weights.
    """
    path = beside(weights)
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    if found.get("weights") != _sha256(weights):
        raise ValueError(
            f"{path} is of other weights; scripts/make_lesions.py makes it anew"
        )
    return found


def shipped_lesions(name: str, source: str = "fashion-mnist") -> pd.DataFrame:
    """The table of :func:`lesions` of a network whose trained weights ship with the
    package.

    Its ``attrs["n"]`` is the number of test images.

    Raises:
        ValueError: if no such weights ship, or no table with them.
    """
    import pandas as pd

    known = models.weights(name)
    found = read_lesions(known[source].path) if source in known else None
    if found is None:
        there = [each for each in models.names() if _has_lesions(each, source)]
        raise ValueError(
            f"no lesions of {name!r} on {source!r} ship; there are those of "
            + (", ".join(there) or "no network")
        )
    whole = {
        "part": "",
        "kind": "network",
        "label": "the whole network",
        "how": "",
        "accuracy": found["accuracy"],
        "difference": 0.0,
        "low": 0.0,
        "high": 0.0,
    }
    table = pd.DataFrame([whole, *found["rows"]]).set_index("part")
    table.attrs["n"] = found["n"]
    return table


def _has_lesions(name: str, source: str) -> bool:
    known = models.weights(name)
    return source in known and beside(known[source].path).exists()
