"""A trained network as a script for the book's live page: its graph and its
weights.

Everything in the script comes from the network itself, through its one graph
(`cnnbook.interpret.graph`): the steps in execution order with their numbers, where
each stands in the picture, which parts can be switched off, and the weights. The
page's JavaScript has an arithmetic for each operation of `KNOWN` and knows no
architecture.

Weights are written as 16-bit floats where they are such (as the book's trained
networks ship them) and as 32-bit floats otherwise, so that the page computes with
the very same numbers.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnbook import models
from cnnbook.data import fashion_mnist_mini
from cnnbook.interpret.graph import Graph, Node, graph
from cnnbook.interpret.lesions import parts, read_lesions

# Operations that the page can compute, and those that stand in the picture of the
# step before.
KNOWN = {
    "conv", "linear", "max pool", "avg pool", "adaptive avg pool", "batch norm",
    "response norm", "relu", "dropout", "add", "concat", "flatten", "pad",
    "identity",
}  # fmt: skip
FOLLOWERS = {"batch norm", "response norm", "relu", "dropout", "flatten", "pad"}
INDEX = """Object.assign(((window.cnnbook ??= {{}}).live ??= {{}}), {{
  index: {index},
  images: {images},
}});
"""
SCRIPT = "(window.cnnbookNetworks ??= {{}})[{name}] = {network};\n"


@dataclass
class Column:
    """What stands in one place of the picture: a layer, and what follows it without
    a fork.

    Attributes:
        steps: names in execution order; the output of the last is what is seen.
        inputs: columns (by number) that it reads; a direct way, such as a shortcut,
            is not one of its own: `arcs` are the inputs that come by one.
        x, lane: place in the picture, from left to right and from top to bottom.
    """

    steps: list[str]
    inputs: list[int]
    arcs: list[int]
    x: int = 0
    lane: int = 0


def columns(steps: Graph) -> list[Column]:
    """The picture of a network: its columns in execution order, each in its
    place."""
    found: list[Column] = []
    # Of each step its column; of an identity that of its input.
    place: dict[str, int] = {}
    direct: set[str] = set()
    readers = steps.readers()
    for node in steps:
        first = node.inputs[0] if node.inputs else ""
        unshared = bool(first) and len(readers[first]) == 1
        if node.operation == "identity" and len(node.inputs) == 1:
            place[node.name] = place[first]
            direct |= {node.name} if not unshared or first in direct else set()
            if unshared and first not in direct:
                found[place[first]].steps.append(node.name)
        elif (
            node.operation in FOLLOWERS
            and unshared
            and first not in direct
            and steps[first].kind != "input"
        ):
            place[node.name] = place[first]
            found[place[first]].steps.append(node.name)
        else:
            place[node.name] = len(found)
            is_direct = [
                len(node.inputs) > 1 and name in direct for name in node.inputs
            ]
            inputs = [place[name] for name in node.inputs]
            arcs = [c for c, arc in zip(inputs, is_direct, strict=True) if arc]
            found.append(Column([node.name], inputs, arcs))
    _place(found)
    return found


def _place(found: list[Column]) -> None:
    """Each column right of those it reads; parallel paths below one another."""
    after: dict[int, list[int]] = {i: [] for i in range(len(found))}
    for i, column in enumerate(found):
        for each in column.inputs:
            after[each].append(i)

    def paths(fork: int) -> list[int]:
        """The first columns of the paths that leave `fork`; the longest is the main
        path."""
        starts = [
            i for i in dict.fromkeys(after[fork]) if len(found[i].inputs) == 1
        ]
        return sorted(starts, key=lambda i: found[i].steps[0] in shorter)

    def width(i: int) -> int:
        return max(1, sum(map(width, paths(i))))

    # A path that meets its sum with fewer layers than another is the shortcut: it
    # goes below.
    shorter: set[str] = set()
    for column in found:
        if len(column.inputs) == 2:
            ways = [_way(found, i) for i in column.inputs]
            if len(ways[0]) != len(ways[1]):
                shorter.update(found[i].steps[0] for i in min(ways, key=len))
    for i, column in enumerate(found):
        column.x = 1 + max((found[each].x for each in column.inputs), default=-1)
        if len(column.inputs) > 1:
            column.lane = min(found[each].lane for each in column.inputs)
        lane = column.lane
        for each in paths(i):
            found[each].lane = lane
            lane += width(each)


def _way(found: list[Column], i: int) -> list[int]:
    """The columns back from `i` to where more than one path begins or ends."""
    way = []
    readers = [j for column in found for j in column.inputs]
    while len(found[i].inputs) == 1 and readers.count(i) == 1:
        way.append(i)
        (i,) = found[i].inputs
    return way


def network(
    model: nn.Module,
    *,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    **about: Any,
) -> dict[str, Any]:
    """The network as plain values, ready for JSON.

    Args:
        model: takes images of one channel, `image_size` pixels wide and high.
        mean, std: by which its images are normalised, in [0, 1].
        classes: what its logits stand for.
        about: what else the page says of it: ``title``, ``accuracy``, ``lesions``,
            ….

    Raises:
        ValueError: if it has a step that the page cannot compute, or other classes.
    """
    steps = graph(model, (1, image_size, image_size))
    for node in steps.nodes[1:]:
        _check(node)
    if steps[steps.output].shape != (len(classes),):
        shape = steps[steps.output].shape
        raise ValueError(f"{steps.name} gives {shape} for {len(classes)} classes")
    state = dict(model.state_dict(keep_vars=True))
    used = dict.fromkeys(key for node in steps for key in node.tensors.values())
    weights, places = _pack({key: state[key].detach() for key in used})
    return {
        "steps": [_step(node) for node in steps],
        "output": steps.output,
        "modules": steps.modules,
        "columns": [asdict(column) for column in columns(steps)],
        "parts": [asdict(part) for part in parts(steps)],
        "size": image_size,
        "mean": [float(value) for value in mean],
        "std": [float(value) for value in std],
        "classes": list(classes),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "places": places,
        "weights": weights,
        **about,
    }


def script(name: str, exported: dict[str, Any]) -> str:
    """The script that tells the page of the network `name`, as :func:`network` gave
    it."""
    text = json.dumps(exported, ensure_ascii=False, separators=(",", ":"))
    return SCRIPT.format(name=json.dumps(name), network=text)


def _check(node: Node) -> None:
    numbers = node.settings
    fine = node.operation in KNOWN
    if node.operation == "conv":
        zeros = numbers["padding_mode"] == "zeros" and isinstance(
            numbers["padding"], tuple
        )
        fine = (
            zeros and numbers["dilation"] == (1, 1) and len(numbers["kernel"]) == 2
        )
    elif node.operation == "max pool":
        fine = numbers["dilation"] == (1, 1)
    elif node.operation == "avg pool":
        fine = (
            numbers["padding"] == (0, 0)
            and not numbers["ceil"]
            and not numbers["divisor"]
        )
    elif node.operation == "pad":
        pad = numbers["pad"]
        fine = len(pad) == 6 and not any(pad[:5]) and numbers["mode"] == "constant"
        fine = fine and not numbers["value"]
    elif node.operation == "concat":
        fine = numbers["dim"] == 1
    elif node.operation == "flatten":
        fine = (numbers["start"], numbers["end"]) == (1, -1)
    elif node.operation == "add":
        fine = len(node.inputs) > 1
    if not fine:
        raise ValueError(
            f"the live page cannot compute {node.operation} ({node.name})"
        )


def _step(node: Node) -> dict[str, Any]:
    kept = ("name", "operation", "kind", "label", "notes", "shape", "inputs",
            "block", "settings", "tensors")  # fmt: skip
    return {key: value for key, value in asdict(node).items() if key in kept}


def _pack(tensors: dict[str, Tensor]) -> tuple[str, dict[str, list]]:
    """The bytes of `tensors` in base64, and of each its type, first byte and
    length."""
    data, places = bytearray(), {}
    for key, tensor in tensors.items():
        values = tensor.float().cpu().contiguous()
        half = values.half()
        exact = bool(torch.equal(half.float(), values))
        # JavaScript reads 32-bit floats at multiples of 4.
        data += bytes(-len(data) % 4)
        places[key] = ["f2" if exact else "f4", len(data), values.numel()]
        data += (half if exact else values).numpy().tobytes()
    return base64.b64encode(bytes(data)).decode("ascii"), places


# The files of the page

DATA = "fashion-mnist"
SHOWN, COUNTED = 60, 300  # test images on the page: to choose from, and to count on


def shipped() -> dict[str, dict[str, Any]]:
    """Every trained network that ships for Fashion-MNIST, by name, as
    :func:`network` gives it."""
    found = {}
    for name in models.names():
        weights = models.weights(name).get(DATA)
        if weights is not None:
            found[name] = network(
                models.create(name, weights=DATA),
                image_size=weights.image_size,
                mean=weights.mean,
                std=weights.std,
                classes=weights.classes,
                title=name,
                accuracy=weights.accuracy,
                lesions=read_lesions(weights.path),
            )
    return found


def write(folder: Path, networks: dict[str, dict[str, Any]]) -> None:
    """Write the scripts of `networks`, and the index with the test images, into
    `folder`."""
    _, test = fashion_mnist_mini.load()
    pixels = test.images[:COUNTED].numpy().tobytes()
    index = {
        name: {"title": each["title"], "accuracy": each.get("accuracy")}
        for name, each in networks.items()
    }
    images = {
        "pixels": base64.b64encode(pixels).decode("ascii"),
        "labels": test.labels[:COUNTED].tolist(),
        "classes": list(test.classes),
        "shown": SHOWN,
    }
    (folder / "networks").mkdir(parents=True, exist_ok=True)
    for name, each in networks.items():
        (folder / "networks" / f"{name}.js").write_text(
            script(name, each), encoding="utf-8"
        )
    text = INDEX.format(index=json.dumps(index), images=json.dumps(images))
    (folder / "index.js").write_text(text, encoding="utf-8")
