"""A profile as one file to send to a colleague: the network drawn, its table, its
plots.

The file asks for nothing from outside, and holds no more than the profile does:
names, shapes and numbers, no weights. What is drawn are the profile's own calls; a
step is described in the words of `cnnbook.profiling.labels`, and the bars are those
of the book's explorer (`page/bars.js`).
"""

from __future__ import annotations

import html
import json
import os
from collections import defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from cnnbook._arguments import checked
from cnnbook._files import check_file, write_whole
from cnnbook.profiling import Profile
from cnnbook.profiling.labels import LAYERS, described

# What is written beside the step before it, and how.
FOLLOWERS = {
    "batch_norm": "BN", "layer_norm": "LN", "group_norm": "GN", "instance_norm":
    "IN", "rms_norm": "RMS norm", "local_response_norm": "LRN", "relu": "ReLU",
    "relu6": "ReLU6", "hardtanh": "ReLU6", "gelu": "GELU", "silu": "SiLU",
    "sigmoid": "sigmoid", "tanh": "tanh", "hardswish": "hardswish", "hardsigmoid":
    "hardsigmoid", "leaky_relu": "leaky ReLU", "prelu": "PReLU", "elu": "ELU",
    "softmax": "softmax", "log_softmax": "log softmax", "dropout": "dropout",
    "mean": "mean", "sum": "sum", "amax": "maximum", "interpolate": "resize",
    "pixel_shuffle": "pixel shuffle", "pad": "pad",
}  # fmt: skip
JOINS = {
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "cat": "concat",
    "concat": "concat",
    "concatenate": "concat",
    "__setitem__": "written into",
}


@checked
def report(profile: Profile, path: str | os.PathLike) -> Path:
    """Write `profile` to the file `path` as a page that opens without a network;
    return the path.

    The page shows the network with its branches and shortcuts, foldable by module;
    of each layer the three measures, what training keeps (of a profile of
    training), the receptive field and the shapes; the table, which sorts by any
    column; and the shares of each layer. Names are searched, everything is reached
    by keyboard, and it follows the reader's light or dark theme.

    Args:
        profile: what `cnnbook.profile` found.
        path: the file, such as ``net.html``; what it held before is replaced.

    Raises:
        ValueError: the file cannot be written: it is a folder, read-only, …
    """
    path = Path(path)
    check_file(path)
    text = page(profile)
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path


def page(profile: Profile) -> str:
    """The report's HTML."""
    folder = files("cnnbook.figures") / "page"
    read = {name: (folder / name).read_text(encoding="utf-8") for name in PARTS}
    # In a script, only "<" could end it; the escape is JSON's own.
    data = json.dumps(
        content(profile), ensure_ascii=False, separators=(",", ":"), default=str
    )
    data = (
        data.replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
    parts = {
        "title": html.escape(_title(profile)),
        "style": read["report.css"],
        "data": data,
        "script": "\n".join(read[name] for name in PARTS if name.endswith(".js")),
        "table": profile._repr_html_(),
    }
    pieces = read["report.html"].split("%%")  # text, name of a part, text, …
    return "".join(
        parts[piece] if i % 2 else piece for i, piece in enumerate(pieces)
    )


PARTS = ("report.html", "report.css", "bars.js", "layout.js", "report.js")


def _title(profile: Profile) -> str:
    return f"{profile.name} on {'×'.join(map(str, profile.input_size))}"


def content(profile: Profile) -> dict[str, Any]:
    """All that the page shows, as JSON has it: see `steps` and `tree`."""
    nodes = steps(profile)
    total = profile.total
    training = profile.training
    return {
        "title": _title(profile),
        "name": profile.name,
        "total": total._asdict(),
        "other": profile.other,
        "notRun": profile.not_run,
        "training": training
        and training.to_dict()
        | {"peak_kb": training.peak_kb(1), "peak_moment": training.peak_moment(1)},
        "rows": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "shape": list(layer.output),
                "memory": layer.memory_kb,
                "params": layer.params,
                "flops": layer.flops,
                "field": _sides(layer.receptive_field),
                "sees": layer.sees,
            }
            | ({} if layer.kept_kb is None else {"kept": layer.kept_kb})
            for layer in profile.layers
        ],
        "nodes": nodes,
        "tree": tree(nodes, profile.modules),
    }


def _sides(field: int | tuple[int, int] | None) -> list[int] | None:
    return [field, field] if isinstance(field, int) else field and list(field)


# The steps that are drawn


def steps(profile: Profile) -> list[dict[str, Any]]:
    """The image, the rows, and whatever joins two of them, in execution order.

    Each is a dict: ``name``; ``label`` and ``notes``, what a reader calls it;
    ``follow``, what only follows it (a norm, an activation), which with views and
    the like is no step of its own; ``kind``; ``module``, the module that it belongs
    to; ``shape``; ``reads``, places in this list; ``row``, a place in
    `Profile.layers`, of a layer; ``extra``, the parameters of what follows.
    """
    readers: dict[int, int] = defaultdict(int)
    for call in profile.calls:
        for each in call.reads:
            readers[each] += 1
    inner = {path.rpartition(".")[0] for path in profile.modules if path}
    uses: dict[str, int] = {}
    rest = dict(profile.other)
    nodes: list[dict[str, Any]] = []
    # By call: its place among the nodes, and whether all of the node's readers read
    # what is after it.
    at: list[int] = []
    alone: list[bool] = []
    for number, call in enumerate(profile.calls):
        sources = list(dict.fromkeys(at[each] for each in call.reads))
        function = LAYERS.get(call.function, call.function)
        plain = function if function.startswith("__set") else _plain(function)
        word = FOLLOWERS.get(plain)
        own = rest.pop(call.module, 0) if call.row is None else 0
        follows = call.row is None and len(sources) == 1
        follows_alone = follows and all(
            alone[each] and readers[each] == 1 for each in call.reads
        )
        if follows and (follows_alone or word is None):
            alone.append(follows_alone)
            node = nodes[sources[0]]
            node["extra"] += own
            if word and number and word not in node["follow"]:
                node["follow"].append(word)
            at.append(sources[0])
            continue
        if call.row is not None:
            layer = profile.layers[call.row]
            label, notes = described(layer, call)
            kind, name, shape = layer.kind, layer.name, layer.output
        else:
            label, notes = JOINS.get(plain) or word or plain or "image", ()
            kind = "join" if len(sources) > 1 else "other" if number else "image"
            shape = call.shape[1:] if call.shape[:1] == (1,) else call.shape
            if plain in FOLLOWERS and call.module not in inner:
                name = call.module
            else:
                name = f"{call.module}.{plain}".lstrip(".") if number else "image"
            uses[name] = uses.get(name, 0) + 1
            name += f"#{uses[name]}" if uses[name] > 1 else ""
        module = (
            call.module if call.module in inner else call.module.rpartition(".")[0]
        )
        at.append(len(nodes))
        alone.append(True)
        nodes.append({
            "name": name, "label": label, "notes": list(notes), "follow": [],
            "kind": kind, "module": module, "shape": list(shape), "reads": sources,
            "row": call.row,
            "extra": own,
        })  # fmt: skip
    return nodes


def _plain(function: str) -> str:
    """``__iadd__`` and ``add_`` are ``add``."""
    name = function.strip("_")
    if function.startswith("__") and name[:1] in "ri" and name[1:] in JOINS:
        return name[1:]
    return {"truediv": "div", "rtruediv": "div", "itruediv": "div"}.get(name, name)


# The modules that they are in


def tree(nodes: list[dict[str, Any]], modules: dict[str, str]) -> list[Any]:
    """The nodes as modules hold them: ``[path, class, [members]]``, a member a
    node's place or such a list.

    A module that is called again, with others in between, is there again: each
    group is a run of neighbours in execution order, so that folding it makes no
    circle. A group of one is no group.
    """
    return _grouped(range(len(nodes)), nodes, modules, ())


def _grouped(run, nodes, modules, above: tuple[str, ...]) -> list[Any]:
    found: list[Any] = []
    run = list(run)
    depth = len(above)
    while run:
        parts = (
            tuple(nodes[run[0]]["module"].split("."))
            if nodes[run[0]]["module"]
            else ()
        )
        if len(parts) <= depth:
            found.append(run.pop(0))
            continue
        own = parts[: depth + 1]
        prefix = ".".join(own)
        same = 0
        while same < len(run):
            module = nodes[run[same]]["module"]
            if module != prefix and not module.startswith(f"{prefix}."):
                break
            same += 1
        members = _grouped(run[:same], nodes, modules, own)
        run = run[same:]
        if len(members) == 1:
            found.append(members[0])
        else:
            found.append([prefix, modules.get(prefix, ""), members])
    return found
