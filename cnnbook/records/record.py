"""What one training run of an experiment leaves on file, and what makes it
valid."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

from cnnbook.records.checks import (
    ARM,
    PRECISIONS,
    SCHEMA,
    is_number,
    is_share,
    is_text,
    matches,
    parse,
    require,
    require_fields,
    require_integers,
    require_positive,
    require_provenance,
    short,
)
from cnnbook.training.recipe import Recipe
from cnnbook.training.run import history_columns


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """One run: what was asked, where and with what it ran, and what came of it.

    Attributes:
        experiment: its name, such as "degradation".
        scale: "quick" (minutes on two CPU cores), "standard" (hours) or "full" (one
            GPU).
        arm: the condition of the experiment, such as "plain20".
        architecture, options: the network, as
            ``models.create(architecture, **options)`` takes it.
        recipe: how it was trained.
        seed: of the network's weights and of the recipe.
        data: the image set's name.
        data_checksum: SHA-256 of the training set's images and labels,
            ``ImageSet.checksum``.
        train_images: how many images of the training set were used, the first ones;
            the share that the recipe holds out is taken from them.
        parameters: of the network.
        device: such as "NVIDIA H100 80GB HBM3".
        threads: of torch on the CPU.
        versions: of python, torch, torchvision and cnnbook.
        commit: of the code; it ends in "-dirty" if the code had changes beside it;
            None if the code was not in a git repository.
        started: UTC, as ISO 8601.
        seconds: of the whole run, validation and test included.
        history: a row per epoch; the columns are those of :class:`cnnbook.Run`.
        test_loss, test_accuracy: on the test images, looked at once, at the end.
        process_seconds: of the whole run as the processor counts them, over all
            threads; None in records made before they were kept, as is `correct`.
        precision: in which it was computed: "fp32" or "bf16".
        chooses: the arm whose learning rate this run helps to choose; None for a
            run that is itself a result.
        correct: one bit for each test image, whether its class was found: Base64 of
            numpy's ``packbits`` after their number; :attr:`test_correct` reads it.

    Raises:
        ValueError: if a field is not of its kind; the message begins with the
            field's name.
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
    process_seconds: float | None = None
    precision: str = "fp32"
    chooses: str | None = None
    correct: str | None = None

    def __post_init__(self) -> None:
        require_provenance(self)
        require(self, "recipe", isinstance(self.recipe, Recipe), "a recipe")
        require_integers(self, seed=0, train_images=1)
        require(
            self,
            "seed",
            self.seed == self.recipe.seed,
            f"the recipe's, {self.recipe.seed}",
        )
        require(self, "data", is_text(self.data), "a name")
        is_sha256 = matches(re.compile("[0-9a-f]{64}"), self.data_checksum)
        require(self, "data_checksum", is_sha256, "the 64 digits of a SHA-256")
        require(self, "test_loss", is_number(self.test_loss), "a number")
        require(
            self, "test_accuracy", is_share(self.test_accuracy), "a share of 0 … 1"
        )
        known = self.precision in PRECISIONS
        require(self, "precision", known, f"one of {', '.join(PRECISIONS)}")
        if self.process_seconds is not None:
            require_positive(self, "process_seconds")
        if self.chooses is not None:
            require(self, "chooses", matches(ARM, self.chooses), "an arm or null")
        if self.correct is not None:
            self._check_correct(self.correct)
        _check_history(self.history, self.recipe)

    @property
    def test_correct(self) -> np.ndarray | None:
        """Whether the class of each test image was found, as N bools; None if not
        recorded."""
        return None if self.correct is None else unpack(self.correct)

    def _check_correct(self, correct: str) -> None:
        try:
            share = unpack(correct).mean()
        except (ValueError, TypeError):
            share = -1.0
        good = abs(share - self.test_accuracy) < 1e-5
        require(self, "correct", good, "bits whose mean is test_accuracy")

    @property
    def date(self) -> str:
        """The day of its start, as 2026-05-04."""
        return self.started[:10]

    def __repr__(self) -> str:
        return (
            f"<Record {self.experiment}/{self.scale}/{self.arm} seed {self.seed}: "
            f"test accuracy {self.test_accuracy:.1%} in {self.seconds:.0f} s on "
            f"{self.device}>"
        )

    def to_dict(self) -> dict:
        """The record as JSON has it."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["recipe"] = asdict(self.recipe)
        plain["history"] = self.history.to_dict("records")
        return {"schema": SCHEMA, **plain}

    def to_json(self) -> str:
        """One line a field and one an epoch, so that two records compare line by
        line."""
        lines = []
        for name, value in self.to_dict().items():
            if name == "history":
                epochs = ",\n  ".join(json.dumps(epoch) for epoch in value)
                lines.append(f'"history": [\n  {epochs}\n ]')
            else:
                lines.append(
                    f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
                )
        return "{\n " + ",\n ".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote.

        Raises:
            ValueError: in one line, if it is something else; it names the field.
        """
        return cls.from_dict(parse(text))

    @classmethod
    def from_dict(cls, found: dict) -> Record:
        """As `from_json`, from what that JSON holds, without the schema."""
        require_fields("", found, [field.name for field in fields(cls)])
        recipe, epochs = found["recipe"], found["history"]
        require_fields("recipe.", recipe, [field.name for field in fields(Recipe)])
        try:
            found["recipe"] = Recipe(**recipe)
        except ValueError as error:
            raise ValueError(f"recipe: {error}") from None
        if not isinstance(epochs, list):
            raise ValueError(
                f"history must be a list of epochs, got {short(epochs)}"
            )
        columns = history_columns(bool(found["recipe"].fixed_images))
        for number, epoch in enumerate(epochs, start=1):
            require_fields(f"history[{number}].", epoch, columns)
        found["history"] = pd.DataFrame(epochs, columns=columns)
        return cls(**found)


def pack(correct: np.ndarray) -> str:
    """Bits as text: their number, a colon, and Base64 of them, eight a byte."""
    bits = base64.b64encode(np.packbits(correct.astype(bool)).tobytes()).decode()
    return f"{len(correct)}:{bits}"


def unpack(text: str) -> np.ndarray:
    """What `pack` wrote: N, bool. ValueError if it is something else."""
    number, _, bits = text.partition(":")
    content = np.frombuffer(base64.b64decode(bits, validate=True), dtype=np.uint8)
    if (
        not number.isascii()
        or len(content) != -(-int(number) // 8)
        or not int(number)
    ):
        raise ValueError("the number of bits is wrong")
    return np.unpackbits(content, count=int(number)).astype(bool)


def _check_history(history: pd.DataFrame, recipe: Recipe) -> None:
    columns, epochs = history_columns(bool(recipe.fixed_images)), recipe.epochs
    if not isinstance(history, pd.DataFrame) or list(history) != columns:
        raise ValueError(f"history must have the columns {', '.join(columns)}")
    if history.epoch.tolist() != list(range(1, epochs + 1)):
        raise ValueError(
            f"history must have the epochs 1 … {epochs}, got "
            f"{short(history.epoch.tolist())}"
        )
    for epoch in history.to_dict("records"):
        for name, value in epoch.items():
            is_good = is_share if name.endswith("_accuracy") else is_number
            if not is_good(value):
                what = (
                    "a share of 0 … 1" if name.endswith("_accuracy") else "a number"
                )
                where = f"history[{epoch['epoch']}].{name}"
                raise ValueError(f"{where} must be {what}, got {short(value)}")
