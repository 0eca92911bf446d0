"""Every public callable, called wrongly: one line from a check of ours, and never a traceback.

Two walks. One gives each callable the same wrong value for all that it requires; it finds the
callables itself, so what is added later is walked too. The other knows right arguments, and
replaces one of them at a time.
"""

from __future__ import annotations

import importlib
import inspect
import math
import traceback
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import cnnbook
from cnnbook import claims, data, figures, interpret, measuring, models, profile, records, teaching
from cnnbook.data import ImageSet
from cnnbook.training import Recipe

ROOT = Path(cnnbook.__file__).parent
ROOMS = (
    "claims", "data", "experiments", "figures", "interpret", "measuring", "models", "records",
    "teaching", "training",
)  # fmt: skip
WRONG = {
    "None": None,
    "an object": object(),
    "no text": "",
    "a text": "wrong",
    "an empty list": [],
    "an empty mapping": {},
    "a negative": -1,
    "a fraction": 1.5,
    "nan": math.nan,
    "infinity": math.inf,
    "a large number": 10**400,
    "an empty table": pd.DataFrame(),
    "an empty tensor": torch.zeros(0),
}
# A right value that a walk may meet, and whose work would take long.
RIGHT = {
    (name, what)
    for name in ("claims.Notes", "claims.table")  # the whole ledger, by cards that are none
    for what in ("None", "an empty mapping")
}
# They hold what they are given: checked where it is used.
HOLDERS = (Exception,)


def public() -> dict[str, object]:
    found = {}
    for room in ROOMS:
        module = importlib.import_module(f"cnnbook.{room}")
        for name in module.__all__:
            if callable(getattr(module, name)):
                found[f"{room}.{name}"] = getattr(module, name)
    return found


def complaint(function, *args, **kwargs) -> str | None:
    """What is wrong with how `function` refuses these arguments; None if nothing is."""
    try:
        # On the meta device a network takes no time.
        place = "meta" if "models" in function.__module__ else "cpu"
        with warnings.catch_warnings(), torch.device(place):
            warnings.simplefilter("ignore")
            function(*args, **kwargs)
    except (ValueError, TypeError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        if not Path(last.filename).is_relative_to(ROOT):
            return f"{type(error).__name__} from {last.filename}:{last.lineno}: {error}"
        if len(str(error).splitlines()) != 1:
            return f"not one line: {error}"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} from {last.filename}:{last.lineno}: {error}"
    else:
        return ACCEPTED
    return None


ACCEPTED = "accepted"


def holds_what_it_is_given(function) -> bool:
    """A data class, a named tuple or an error."""
    return isinstance(function, type) and not issubclass(function, nn.Module)


@pytest.mark.parametrize("name", public())
def test_all_wrong(name):
    function = public()[name]
    if isinstance(function, type) and issubclass(function, HOLDERS):
        return
    parameters = inspect.signature(function).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    required = [p.name for p in named if p.default is p.empty]
    calls = [required] if required else [[p.name] for p in named]
    found = {}
    for what, value in WRONG.items():
        if (name, what) in RIGHT:
            continue
        for call in calls:
            wrong = complaint(function, **dict.fromkeys(call, value))
            if wrong == ACCEPTED and not (
                required and what == "an object" and not holds_what_it_is_given(function)
            ):
                continue
            if wrong:
                found[f"{', '.join(call)} = {what}"] = wrong
    assert not found


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.fc = nn.Linear(2, 3)

    def forward(self, images):
        return self.fc(self.conv(images).mean((2, 3)))


def right() -> dict[str, dict]:
    """Right arguments of what takes more than a name."""
    network = Small()
    table = profile(network, (1, 8, 8)).table
    p = profile(network, (1, 8, 8))
    run = pd.DataFrame({
        "arm": ["a", "a", "b", "b"], "seed": [0, 1, 0, 1], "x": [1, 2, 1, 2],
        "test_accuracy": [0.5, 0.6, 0.7, 0.8], "epoch": [1, 1, 1, 1], "error": [9.0, 8, 7, 6],
    })  # fmt: skip
    history = pd.DataFrame(
        {
            f"{part}_{what}": [0.3, 0.4]
            for part in ("train", "validation")
            for what in ("loss", "accuracy")
        }
    ).assign(epoch=[1, 2])
    networks = pd.DataFrame(
        {
            "network": ["vgg11", "resnet18"], "flops": [7e9, 2e9], "params": [1e8, 1e7],
            "accuracy": [69.0, 70.0], "seconds": [0.1, 0.02], "batch_size": [1, 1],
            "intensity": [9.0, 5.0], "operations_per_second": [2e9, 1e9], "gpus": [1, 8],
            "efficiency": [1.0, 0.9], "memory_kb": [1.0, 2], "year": [2012, 2015],
            "entry": ["a", "b"], "top5_error": [16.4, 3.6], "deep": [True, True],
        },
        index=["vgg11", "resnet18"],
    )  # fmt: skip
    images = ImageSet(
        torch.zeros(6, 1, 8, 8, dtype=torch.uint8), torch.arange(6) % 3, ("a", "b", "c"), "toy"
    )
    cpu = torch.device("cpu")
    return {
        "figures.architecture": {"profile": p},
        "figures.bars": {"values": {"a": 1.0, "b": 2.0}, "xlabel": "x", "form": ".1f"},
        "figures.block": {"module": network, "input_size": (1, 8, 8)},
        "figures.by_depth": {
            "runs": run.assign(kind="plain", layers=8), "measures": {"test_accuracy": "accuracy"},
        },
        "figures.columns": {"tables": {"small": profile(models.vgg11()).table.drop("avgpool")}},
        "figures.connections": {"reads": {"one": torch.ones(2, 3, dtype=torch.bool)}},
        "figures.curves": {"history": history},
        "figures.degradation": {"errors": run, "kinds": {"plain": ("a", "b"), "res": ("a", "b")}},
        "figures.differences": {
            "found": {"a": records.interval([1.0, 2.0], "a")}, "xlabel": "x", "margin": 0.5,
        },
        "figures.dots": {
            "table": networks[["accuracy", "seconds"]], "xlabel": "x", "form": ".1f",
        },
        "figures.filters": {"weight": torch.rand(4, 1, 3, 3), "columns": 2},
        "figures.gradient": {"map": torch.rand(8, 8), "side": 3},
        "figures.images": {"imageset": images, "each": 2},
        "figures.interaction": {
            "runs": run, "across": "x", "lines": "arm", "measure": "test_accuracy",
        },
        "figures.measures": {"table": networks},
        "figures.occlusion": {
            "images": torch.rand(1, 1, 8, 8), "maps": torch.rand(1, 3, 3), "names": ["a"],
        },
        "figures.pairs": {"table": networks[["accuracy", "seconds"]], "xlabel": "x"},
        "figures.ranking": {"runs": run, "measure": "test_accuracy", "marked": {"a": "A"}},
        "figures.receptive_field": {"table": table, "image": 8},
        "figures.ring": {
            "counts": torch.ones(3, 2, 2), "sends": torch.ones(2, 2, 2, dtype=torch.bool),
        },
        "figures.roofline": {"table": networks, "peak_operations": 1e12, "peak_bandwidth": 1e11},
        "figures.runs": {
            "table": pd.DataFrame({"scale": ["quick"], "minutes": [1.0], "accuracy": [0.5]}),
        },
        "figures.scaling": {"table": networks},
        "figures.seconds": {"table": networks},
        "figures.shares": {"table": table},
        "figures.stages": {"table": profile(models.alexnet()).table},
        "figures.through_layers": {
            "sizes": {kind: {n: [1.0, 2.0] for n in "abc"} for kind in "xy"}, "ylabel": "y",
        },
        "figures.timeline": {
            "rows": {"a": {"computes": (0, 1), "waits": (1, 2)}}, "xlabel": "x",
            "idle": ("waits",),
        },
        "figures.trade_off": {"table": networks},
        "figures.winners": {"table": networks},
        "interpret.gradient_map": {"model": network, "layer": "conv", "input_size": (1, 8, 8)},
        "interpret.measured_receptive_field": {
            "model": network, "layer": "conv", "input_size": (1, 8, 8),
        },
        "interpret.occlusion_map": {
            "model": network, "image": torch.zeros(1, 8, 8), "label": 0, "size": 2, "stride": 2,
            "value": 0.0,
        },
        "measuring.measure": {
            "model": network, "input_size": (1, 8, 8), "batch_size": 1, "device": "cpu",
            "training": False, "dtype": "float32", "channels_last": False, "min_seconds": 0.0,
        },
        "measuring.traffic": {"p": p, "batch_size": 1, "itemsize": 4, "training": False},
        "measuring.peak_bandwidth": {"device": cpu},
        "measuring.scaling_efficiency": {
            "profiles": {"a": p}, "gpus": (1, 8), "batch_size": 1, "gradient_bytes": 4,
            "peak_flops": 1e12, "achieved": 0.5, "gpus_per_node": 8, "node_bandwidth": 1e9,
            "network_bandwidth": 1e9, "overlap": True,
        },
        "profiling.profile": {
            "model": network, "input_size": (1, 8, 8), "training": True, "optimizer": "sgd",
            "device": "cpu", "precision": "fp32",
        },
        "training.fit": {
            "model": network, "train": images, "test": images, "device": "cpu",
            "recipe": Recipe(epochs=1, batch_size=2, validation=0.5), "progress": False,
            "resume": True,
        },
        "models.kernel_stack": {"kernel_size": 3, "depth": 1, "channels": 4, "num_classes": 3},
        "models.alexnet": {"variant": "paper", "num_classes": 10, "in_channels": 1,
                           "dropout": 0.5},
        "models.zfnet": {"variant": "paper", "num_classes": 10, "in_channels": 1},
        "models.googlenet": {"num_classes": 10, "in_channels": 1, "width": 1.0},
        "models.resnet20": {"num_classes": 10, "in_channels": 1, "shortcut": "A"},
        "models.set_identity": {"block": models.BasicBlock(4, 4)},
        "records.table": {"runs": ()},
        "records.load": {"name": "zoo", "scale": "quick", "folder": None},
        "teaching.source": {"obj": Small},
        "claims.claim": {"id": "a/b", "chapter": "alexnet", "statement": "s", "source": "s"},
    }  # fmt: skip


RIGHT_ARGUMENTS = right()
# Wrong within: for tables and tensors that are of the right kind.
WITHIN = {
    pd.DataFrame: (
        lambda table: table.iloc[:0],
        lambda table: table.iloc[:, :0],
        lambda table: table.astype(object).map(str),
        lambda table: table.assign(**{c: math.nan for c in table.select_dtypes("number")}),
        lambda table: table.rename(columns=str.upper),
    ),
    torch.Tensor: (
        lambda tensor: tensor[:0],
        lambda tensor: tensor.flatten()[0],
        lambda tensor: tensor.float() * math.nan,
        lambda tensor: tensor[None, None, None],
    ),
    tuple: (lambda values: values[:-1], lambda values: tuple(-1 for _ in values)),
}


@pytest.mark.parametrize("name", RIGHT_ARGUMENTS)
def test_one_wrong(name, monkeypatch):
    monkeypatch.setattr(claims._mechanism, "_CLAIMS", {})
    room, function = name.split(".")
    function = getattr(importlib.import_module(f"cnnbook.{room}"), function)
    arguments = RIGHT_ARGUMENTS[name]
    found = {}
    for argument, good in arguments.items():
        within = [change for kind in WITHIN if isinstance(good, kind) for change in WITHIN[kind]]
        values = {**WRONG, **{f"change {i}": change(good) for i, change in enumerate(within)}}
        for what, value in values.items():
            wrong = complaint(function, **{**arguments, argument: value})
            if wrong == ACCEPTED and what != "an object":
                continue
            if wrong:
                found[f"{argument} = {what}"] = wrong
    assert not found


@pytest.mark.parametrize("name", [n for n in RIGHT_ARGUMENTS if n.startswith("figures.")])
def test_the_right_arguments_are_right(name):
    """Or else the walk would prove nothing."""
    getattr(figures, name.partition(".")[2])(**RIGHT_ARGUMENTS[name]).draw_without_rendering()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.alexnet(num_classes=0), "num_classes must be at least 1, got 0"),
        (lambda: models.alexnet(num_classes=2.0), "num_classes must be a whole number, got 2.0"),
        (lambda: models.alexnet(num_classes=True), "num_classes must be a whole number, got True"),
        (lambda: models.vgg11(dropout=math.nan), "dropout must be a finite number, got nan"),
        (lambda: models.vgg11(dropout=1.1), "dropout must be in 0 … 1, got 1.1"),
        (lambda: models.VGG(depths=()), "depths must not be empty"),
        (lambda: models.create(None), "unknown architecture None"),
        (lambda: figures.shares(None), "table must be a DataFrame, got None"),
        (lambda: figures.shares(pd.DataFrame()), "table must not be empty"),
        (
            lambda: figures.shares(pd.DataFrame({"kind": ["conv"]})),
            "shares needs a table with the column 'memory_kb', got one with kind",
        ),
        (lambda: figures.filters(torch.ones(1, 1, 3, 3), 0), "columns must be at least 1, got 0"),
        (lambda: data.load(None), "the name of a data set must be a string, got None"),
        (lambda: claims.check(3), "id must be a string, got 3"),
        (lambda: records.load(3), "name must be a string, got 3"),
        (
            lambda: interpret.gradient_map(Small(), "conv", (1, 8)),
            "input_size must be 3 values, got (1, 8)",
        ),
        (
            lambda: measuring.traffic(profile(Small(), (1, 8, 8)), batch_size=1.5),
            "batch_size must be a whole number, got 1.5",
        ),
        (lambda: teaching.source(3), "obj must be a class or a function, got 3"),
        (lambda: Recipe(lr=10**400), "lr must be a positive number, got a number of more than"),
        (lambda: Recipe(epochs=1.9), "epochs must be a positive integer, got 1.9"),
        (lambda: Recipe(optimizer=[]), "unknown optimizer []; there is sgd, adamw"),
    ],
)
def test_the_line_says_what_is_wrong_and_what_would_be_right(call, message):
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    assert str(error.value).startswith(message)


def test_what_is_right_in_another_form_is_taken():
    models.alexnet(num_classes=np.int64(3), dropout=np.float32(0.5))
    models.VGG(depths=[1, 1, 1, 1, 1], num_classes=3, hidden_features=8)
    interpret.gradient_map(Small(), "conv", torch.Size([1, 8, 8]))
    names = pd.Index(["a"])
    figures.occlusion(torch.rand(1, 1, 8, 8), torch.rand(1, 3, 3), names)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("split", {"fraction": 0.5, "seed": 0}), ("subset", {"indices": [0, 1]})],
)
def test_one_wrong_of_an_image_set(method, arguments):
    images = RIGHT_ARGUMENTS["training.fit"]["train"]
    method = getattr(images, method)
    method(**arguments)
    found = {}
    for argument in arguments:
        for what, value in WRONG.items():
            wrong = complaint(method, **{**arguments, argument: value})
            if wrong and not (wrong == ACCEPTED and what != "an object"):
                found[f"{argument} = {what}"] = wrong
    assert not found
