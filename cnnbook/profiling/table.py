"""What a profile says: a row per layer, their sums, and the errors instead."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

BYTES_PER_ELEMENT = 4
COLUMNS = ("kind", "output", "memory_kb", "params", "flops", "receptive_field")


class ProfileError(ValueError):
    """The network cannot be profiled as asked; the message says at which layer and why."""


class TooSmall(ProfileError):
    """The image is so small that a layer's output would be empty."""


class Layer(NamedTuple):
    """A row of the table: one use of one layer. `output` is a shape without the batch."""

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    flops: int
    receptive_field: int | tuple[int, int] | None

    @property
    def memory_kb(self) -> float:
        return math.prod(self.output) * BYTES_PER_ELEMENT / 1024


class Total(NamedTuple):
    """The three measures of a whole network: KB per image, parameters, multiply-adds per image."""

    memory_kb: float
    params: int
    flops: int


@dataclass(frozen=True)
class Profile:
    """What `profile` found.

    Attributes:
        name: the network's class.
        input_size: (C, H, W) of the image.
        layers: the rows of the table, as plain tuples.
        other: parameters of what ran but is no row (normalisation, embeddings), by module.
        not_run: parameters of what did not run (auxiliary heads outside training), by module.
    """

    name: str
    input_size: tuple[int, int, int]
    layers: tuple[Layer, ...]
    other: dict[str, int] = field(default_factory=dict)
    not_run: dict[str, int] = field(default_factory=dict)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per convolution, linear and pooling layer in execution order, by layer name.

        Columns: ``kind``; ``output`` (C, H, W); ``memory_kb``; ``params``, 0 where a layer is used
        again; ``flops``; ``receptive_field``, in pixels: a side, or (height, width) where they
        differ, or missing where it cannot be told from shapes. Matrix products that are no layer
        (attention) have rows of their kind.
        """
        import pandas as pd

        rows = [[getattr(layer, column) for column in COLUMNS] for layer in self.layers]
        index = pd.Index([layer.name for layer in self.layers], name="layer")
        table = pd.DataFrame(rows, columns=list(COLUMNS), index=index)
        if not any(isinstance(layer.receptive_field, tuple) for layer in self.layers):
            table["receptive_field"] = table["receptive_field"].astype("Int64")
        return table

    @cached_property
    def total(self) -> Total:
        """The three measures summed; ``params`` counts every parameter the network has."""
        return Total(
            memory_kb=sum(layer.memory_kb for layer in self.layers),
            params=sum(layer.params for layer in self.layers)
            + sum(self.other.values())
            + sum(self.not_run.values()),
            flops=sum(layer.flops for layer in self.layers),
        )

    def by_kind(self) -> pd.DataFrame:
        """The three measures summed by kind; the rows add up to `total`.

        ``other`` and ``not run`` are the parameters of `other` and `not_run`, if there are any.
        """
        import pandas as pd

        sums = self.table.groupby("kind", sort=False)[["memory_kb", "params", "flops"]].sum()
        for kind, params in (("other", self.other), ("not run", self.not_run)):
            if params:
                row = pd.DataFrame([[0.0, sum(params.values()), 0]], [kind], sums.columns)
                sums = pd.concat([sums, row])
        return sums.rename_axis("kind")

    def to_csv(self, path=None) -> str | None:
        """Write the table as CSV to `path`, or return it; a shape is written as 64x55x55."""
        table = self.table.assign(output=[times(layer.output, "x") for layer in self.layers])
        fields = [times(layer.receptive_field, "x") for layer in self.layers]
        return table.assign(receptive_field=fields).to_csv(path)

    def to_dict(self) -> dict[str, Any]:
        """Everything as lists, dicts and numbers, ready for JSON."""
        rows = [
            {"layer": layer.name} | {column: getattr(layer, column) for column in COLUMNS}
            for layer in self.layers
        ]
        return {
            "name": self.name,
            "input_size": list(self.input_size),
            "layers": rows,
            "other": self.other,
            "not_run": self.not_run,
            "total": self.total._asdict(),
        }

    def _display(self) -> pd.DataFrame:
        """The table as people read it, with the total below."""
        import pandas as pd

        rows = [
            (
                layer.name,
                layer.kind,
                times(layer.output, "×"),
                f"{layer.memory_kb:,.2f}",
                f"{layer.params:,}",
                f"{layer.flops:,}",
                times(layer.receptive_field, "×"),
            )
            for layer in self.layers
        ]
        for title, params in (("other", self.other), ("not run", self.not_run)):
            if params:
                rows.append((f"({title})", "", "", "", f"{sum(params.values()):,}", "", ""))
        total = self.total
        rows.append(
            (
                "total",
                "",
                "",
                f"{total.memory_kb:,.2f}",
                f"{total.params:,}",
                f"{total.flops:,}",
                "",
            )
        )
        heads = (
            "layer",
            "kind",
            "output",
            "memory (KB)",
            "params",
            "flops",
            "receptive field (px)",
        )
        return pd.DataFrame(rows, columns=heads).set_index("layer")

    def __str__(self) -> str:
        lines = [f"{self.name} on {times(self.input_size, '×')}"]
        lines.append(self._display().reset_index().to_string(index=False))
        if self.not_run:
            lines.append(f"not run: {', '.join(self.not_run)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        total = self.total
        return (
            f"<Profile of {self.name} on {times(self.input_size, '×')}: {len(self.layers)} layers, "
            f"{total.memory_kb:,.0f} KB, {total.params:,} params, {total.flops:,} flops>"
        )

    def _repr_html_(self) -> str:
        table = self._display()
        body = "".join(
            f'<tr><th scope="row">{row[0]}</th>'
            + "".join(f"<td>{cell}</td>" for cell in row[1:])
            + "</tr>"
            for row in table.itertuples()
        )
        heads = "".join(f"<th scope='col'>{head}</th>" for head in (table.index.name, *table))
        caption = f"{self.name} on {times(self.input_size, '×')}, per image"
        return (
            f'<div class="profile-box"><table class="profile"><caption>{caption}</caption>'
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def times(shape: int | Iterable[int] | None, sign: str) -> str:
    """(64, 55, 55) → "64×55×55"; a missing value → "—"."""
    if shape is None:
        return "—"
    return str(shape) if isinstance(shape, int) else sign.join(map(str, shape))
