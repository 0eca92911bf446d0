"""What one measurement of a network's speed leaves on file, and what makes it
valid."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import ClassVar

from cnnbook.records.checks import (
    SCHEMA,
    is_int,
    is_text,
    parse,
    require,
    require_fields,
    require_integers,
    require_positive,
    require_provenance,
)

KIND = "timing"


@dataclass(frozen=True, repr=False)
class Timing:
    """A network timed on a device. A call is one batch; in training with all
    gradients.

    Operations are counted as data sheets do: a multiply and its add are two.

    Attributes:
        experiment, scale, arm, architecture, options: as of a :class:`Record`.
        parameters, device, threads, versions, commit, started: as of a Record.
        seconds: of the whole measurement, warm-up included.
        input_size: [C, H, W] of an image.
        batch_size: images in a call.
        training: whether a call computes the gradients too.
        dtype: of weights and activations.
        channels_last: whether the channels of a pixel lay side by side in memory.
        runs: calls that were timed.
        latency, lower_quartile, upper_quartile: a call's median seconds, and around
            it.
        peak_memory: bytes on a CUDA device at the fullest moment; None elsewhere.
        flops: multiply-adds of a call.
        moved_bytes: what a call moves to and from memory if no activation stays on
            the chip, as `cnnbook.measuring.roofline.traffic` counts it.
        peak_operations, peak_bandwidth: the most the device can do, in operations
            and bytes a second.
        peak_operations_source, peak_bandwidth_source: the data sheet, or how they
            were measured.

    Raises:
        ValueError: if a field is not of its kind; the message begins with the
            field's name.
    """

    seed: ClassVar[None] = None  # a timing needs no random numbers worth a name

    experiment: str
    scale: str
    arm: str
    architecture: str
    options: dict
    parameters: int
    device: str
    threads: int
    versions: dict[str, str]
    commit: str | None
    started: str
    seconds: float
    input_size: list[int]
    batch_size: int
    training: bool
    dtype: str
    channels_last: bool
    runs: int
    latency: float
    lower_quartile: float
    upper_quartile: float
    peak_memory: int | None
    flops: int
    moved_bytes: int
    peak_operations: float
    peak_operations_source: str
    peak_bandwidth: float
    peak_bandwidth_source: str

    def __post_init__(self) -> None:
        require_provenance(self)
        size = self.input_size
        good = (
            isinstance(size, list)
            and len(size) == 3
            and all(is_int(n, 1) for n in size)
        )
        require(self, "input_size", good, "channels, height and width")
        require_integers(self, batch_size=1, runs=1, flops=1, moved_bytes=1)
        for name in ("training", "channels_last"):
            require(
                self, name, isinstance(getattr(self, name), bool), "true or false"
            )
        for name in ("dtype", "peak_operations_source", "peak_bandwidth_source"):
            require(self, name, is_text(getattr(self, name)), "a text")
        require_positive(self, "latency", "lower_quartile", "upper_quartile")
        ordered = self.lower_quartile <= self.latency <= self.upper_quartile
        require(self, "latency", ordered, "between its quartiles")
        memory = self.peak_memory is None or is_int(self.peak_memory, 1)
        require(self, "peak_memory", memory, "a number of bytes or null")
        require_positive(self, "peak_operations", "peak_bandwidth")

    @property
    def date(self) -> str:
        """The day of its start, as 2026-05-04."""
        return self.started[:10]

    @property
    def images_per_second(self) -> float:
        """Images a second, one call after the other, at the median latency."""
        return self.batch_size / self.latency

    @property
    def operations_per_second(self) -> float:
        """Operations a second at the median latency; a multiply and its add are
        two."""
        return 2 * self.flops / self.latency

    @property
    def share_of_peak(self) -> float:
        """The share of the device's operations a second that the network
        achieved."""
        return self.operations_per_second / self.peak_operations

    @property
    def intensity(self) -> float:
        """Operations for each byte that must be moved, the arithmetic
        intensity."""
        return 2 * self.flops / self.moved_bytes

    def __repr__(self) -> str:
        return (
            f"<Timing {self.experiment}/{self.scale}/{self.arm}: "
            f"{self.images_per_second:,.1f} images/s on {self.device}>"
        )

    def to_dict(self) -> dict:
        """The record as JSON has it."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"schema": SCHEMA, "kind": KIND, **plain}

    def to_json(self) -> str:
        """One line a field, so that two records compare line by line."""
        lines = [
            f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}"
            for k, v in self.to_dict().items()
        ]
        return "{\n " + ",\n ".join(lines) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Timing:
        """Read what `to_json` wrote.

        Raises:
            ValueError: in one line, if it is something else; it names the field.
        """
        return cls.from_dict(parse(text))

    @classmethod
    def from_dict(cls, found: dict) -> Timing:
        """As `from_json`, from what that JSON holds, without the schema."""
        require_fields("", found, ["kind", *(field.name for field in fields(cls))])
        return cls(
            **{name: value for name, value in found.items() if name != "kind"}
        )
