"""What one run of an experiment leaves on file, and what makes it valid."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, fields
from datetime import datetime

import pandas as pd

from cnnbook.training.recipe import Recipe
from cnnbook.training.run import HISTORY

SCHEMA = 1
SCALES = ("full", "quick")  # the better one first
VERSIONS = ("python", "torch", "torchvision", "cnnbook")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
ARM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")  # a part of a file's name on every system


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """One run: what was asked, where and with what it ran, and what came of it.

    Attributes:
        experiment: its name, such as "degradation".
        scale: "quick" (sized for two CPU cores) or "full" (for one GPU).
        arm: the condition of the experiment, such as "plain-20".
        architecture, options: the network, as ``models.create(architecture, **options)`` takes it.
        recipe: how it was trained.
        seed: of the network's weights and of the recipe.
        data: the image set's name.
        data_checksum: SHA-256 of the training set's images and labels, ``ImageSet.checksum``.
        train_images: how many images of the training set were used, the first ones; the recipe's
            held-out share is one of them.
        parameters: of the network.
        device: such as "NVIDIA H100 80GB HBM3".
        threads: of torch on the CPU.
        versions: of python, torch, torchvision and cnnbook.
        commit: of the code; it ends in "-dirty" if the code had changes beside it; None if the
            code was not in a git repository.
        started: UTC, as ISO 8601.
        seconds: of the whole run, validation and test included.
        history: a row per epoch; the columns are those of :class:`cnnbook.Run`.
        test_loss, test_accuracy: on the test images, looked at once, at the end.

    Raises:
        ValueError: if a field is not of its kind; the message begins with the field's name.
    """

    experiment: str
    scale: str
    arm: str
    architecture: str
    options: dict
    recipe: Recipe
    seed: int
    data: str
    data_checksum: str
    train_images: int
    parameters: int
    device: str
    threads: int
    versions: dict[str, str]
    commit: str | None
    started: str
    seconds: float
    history: pd.DataFrame
    test_loss: float
    test_accuracy: float

    def __post_init__(self) -> None:
        def require(name: str, good: bool, what: str) -> None:
            if not good:
                raise ValueError(f"{name} must be {what}, got {_short(getattr(self, name))}")

        for name in ("architecture", "data", "device"):
            require(name, _is_text(getattr(self, name)), "a name")
        require("experiment", _matches(NAME, self.experiment), "a name such as kernel-stacks")
        require("scale", self.scale in SCALES, f"one of {', '.join(SCALES)}")
        require("arm", _matches(ARM, self.arm), "of letters, digits and . + _ -")
        require("options", isinstance(self.options, dict), "a table of options")
        require("recipe", isinstance(self.recipe, Recipe), "a recipe")
        for name, least in (("seed", 0), ("train_images", 1), ("parameters", 1), ("threads", 1)):
            require(name, _is_int(getattr(self, name), least), f"an integer of at least {least}")
        require("seed", self.seed == self.recipe.seed, f"the recipe's, {self.recipe.seed}")
        is_sha256 = _matches(re.compile("[0-9a-f]{64}"), self.data_checksum)
        require("data_checksum", is_sha256, "the 64 digits of a SHA-256")
        known = isinstance(self.versions, dict) and set(self.versions) == set(VERSIONS)
        known = known and all(map(_is_text, self.versions.values()))
        require("versions", known, f"those of {', '.join(VERSIONS)}")
        require("commit", self.commit is None or _is_text(self.commit), "a commit or null")
        require("started", _is_utc(self.started), "a time such as 2026-05-04T12:30:00Z")
        require("seconds", _is_number(self.seconds) and self.seconds > 0, "a positive number")
        require("test_loss", _is_number(self.test_loss), "a number")
        require("test_accuracy", _is_share(self.test_accuracy), "a share of 0 … 1")
        _check_history(self.history, self.recipe.epochs)

    @property
    def date(self) -> str:
        """The day of its start, as 2026-05-04."""
        return self.started[:10]

    def __repr__(self) -> str:
        return (
            f"<Record {self.experiment}/{self.scale}/{self.arm} seed {self.seed}: "
            f"test accuracy {self.test_accuracy:.1%} in {self.seconds:.0f} s on {self.device}>"
        )

    def to_dict(self) -> dict:
        """The record as JSON has it."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["recipe"] = asdict(self.recipe)
        plain["history"] = self.history.to_dict("records")
        return {"schema": SCHEMA, **plain}

    def to_json(self) -> str:
        """One line a field and one an epoch, so that two records compare line by line."""
        lines = []
        for name, value in self.to_dict().items():
            if name == "history":
                epochs = ",\n  ".join(json.dumps(epoch) for epoch in value)
                lines.append(f'"history": [\n  {epochs}\n ]')
            else:
                lines.append(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}")
        return "{\n " + ",\n ".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote.

        Raises:
            ValueError: in one line, if it is something else; it names the field.
        """
        try:
            found = json.loads(text, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            raise ValueError(f"is no JSON (line {error.lineno}: {error.msg})") from None
        if not isinstance(found, dict):
            raise ValueError("is no JSON object")
        schema = found.pop("schema", None)
        if schema != SCHEMA:
            raise ValueError(f"schema must be {SCHEMA}, got {_short(schema)}")
        _require_fields("", found, [field.name for field in fields(cls)])
        recipe, epochs = found["recipe"], found["history"]
        _require_fields("recipe.", recipe, [field.name for field in fields(Recipe)])
        try:
            found["recipe"] = Recipe(**recipe)
        except ValueError as error:
            raise ValueError(f"recipe: {error}") from None
        if not isinstance(epochs, list):
            raise ValueError(f"history must be a list of epochs, got {_short(epochs)}")
        for number, epoch in enumerate(epochs, start=1):
            _require_fields(f"history[{number}].", epoch, HISTORY)
        found["history"] = pd.DataFrame(epochs, columns=list(HISTORY))
        return cls(**found)


def _check_history(history: pd.DataFrame, epochs: int) -> None:
    if not isinstance(history, pd.DataFrame) or list(history) != list(HISTORY):
        raise ValueError(f"history must have the columns {', '.join(HISTORY)}")
    if history.epoch.tolist() != list(range(1, epochs + 1)):
        raise ValueError(
            f"history must have the epochs 1 … {epochs}, got {_short(history.epoch.tolist())}"
        )
    for epoch in history.to_dict("records"):
        for name, value in epoch.items():
            is_good = _is_share if name.endswith("_accuracy") else _is_number
            if not is_good(value):
                what = "a share of 0 … 1" if name.endswith("_accuracy") else "a number"
                where = f"history[{epoch['epoch']}].{name}"
                raise ValueError(f"{where} must be {what}, got {_short(value)}")


def _require_fields(where: str, found, names) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{where.rstrip('.')} must be a JSON object, got {_short(found)}")
    for name in names:
        if name not in found:
            raise ValueError(f"{where}{name} is missing")
    for name in found:
        if name not in names:
            raise ValueError(f"{where}{name} is no field of schema {SCHEMA}")


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number of JSON")


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_text(value) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def _matches(pattern: re.Pattern, value) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_int(value, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_share(value) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_utc(value) -> bool:
    try:
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, TypeError):
        return False
    return True
