"""What a profile says: a row per layer, and their sums, as a table, in words and in
files."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cnnbook.profiling.calls import Call
from cnnbook.profiling.counts import counted_by
from cnnbook.profiling.labels import labels
from cnnbook.profiling.rows import Layer, ProfileError, Total, times
from cnnbook.profiling.training import Training

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("kind", "output", "memory_kb", "params", "flops", "receptive_field")


@dataclass(frozen=True)
class Profile:
    """What `profile` found.

    Attributes:
        name: the network's class.
        input_size: (C, H, W) of the image; of other inputs, the first one's shape.
        layers: the rows of the table, as plain tuples.
        other: parameters of what ran but is no row (normalisation, embeddings), by
            module.
        not_run: parameters of what did not run (auxiliary heads outside training),
            by module.
        training: the memory of a training step, of a profile of training.
        of_training: whether the network ran in training mode.
        calls: every function that was called on the image or on what came of it,
            and what it read: the network's graph.
        modules: the class of each module, by its name.
    """

    name: str
    input_size: tuple[int, ...]
    layers: tuple[Layer, ...]
    other: dict[str, int] = field(default_factory=dict)
    not_run: dict[str, int] = field(default_factory=dict)
    training: Training | None = None
    of_training: bool = False
    calls: tuple[Call, ...] = field(default=(), repr=False, compare=False)
    modules: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def largest_batch(self, gib: float = 80) -> int:
        """The most images in a training step of at most `gib` GiB; 0 if not even
        one fits.

        Not counted: workspaces of cuDNN and BLAS, the allocator's fragments, the
        CUDA context. Take a gigabyte or two off what the card has.

        Raises:
            ProfileError: if the profile is not of training.
        """
        if self.training is None:
            raise ProfileError(
                "a batch is of a training step: profile(model, training=True)"
            )
        return self.training.largest_batch(gib)

    def as_counted_by(self, tool: str) -> int:
        """The operations that `tool` (torchinfo, fvcore, ptflops or thop) counts
        for this network.

        It is that tool's own total, to the unit, of one image in inference, by its
        own rules: one adds biases, another four operations for each normalised
        element. `total` is ours.

        Raises:
            ProfileError: there is no such tool here, or the network does something
                of which it is not known how the tool counts it.
        """
        if self.of_training:
            raise ProfileError(
                f"{tool} counts inference: profile the network without training"
            )
        return counted_by(tool, self.calls, self.layers, self.modules)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per convolution, linear and pooling layer in execution order, by
        layer name.

        Columns: ``kind``; ``output`` (C, H, W); ``memory_kb``; ``params``, 0 where
        a layer is used again; ``flops``; ``receptive_field``, in pixels: a side, or
        (height, width) where they differ, or missing where it cannot be told from
        shapes. Matrix products that are no layer (attention) have rows of their
        kind. Of training, also ``kept_kb``: see `Layer`.
        """
        import pandas as pd

        columns = (*COLUMNS, "kept_kb") if self.training else COLUMNS
        rows = [
            [getattr(layer, column) for column in columns] for layer in self.layers
        ]
        index = pd.Index([layer.name for layer in self.layers], name="layer")
        table = pd.DataFrame(rows, columns=list(columns), index=index)
        if not any(
            isinstance(layer.receptive_field, tuple) for layer in self.layers
        ):
            table["receptive_field"] = table["receptive_field"].astype("Int64")
        # For drawings of the table, or of some of its rows.
        table.attrs["labels"] = self.labels
        return table

    @cached_property
    def total(self) -> Total:
        """The three measures summed; ``params`` counts every parameter the network
        has."""
        return Total(
            memory_kb=sum(layer.memory_kb for layer in self.layers),
            params=sum(layer.params for layer in self.layers)
            + sum(self.other.values())
            + sum(self.not_run.values()),
            flops=sum(layer.flops for layer in self.layers),
        )

    @property
    def params_used(self) -> int:
        """The parameters of what ran, which are all but those of `not_run`."""
        return self.total.params - sum(self.not_run.values())

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a reader calls each row, by its name in code.

        >>> profile(models.alexnet()).labels["features.0"]
        'conv 11×11, 64, stride 4'
        """
        return labels(self.layers, self.calls)

    def by_kind(self) -> pd.DataFrame:
        """The three measures summed by kind; the rows add up to `total`.

        ``other`` and ``not run`` are the parameters of `other` and `not_run`, if
        there are any.
        """
        import pandas as pd

        sums = self.table.groupby("kind", sort=False)[
            ["memory_kb", "params", "flops"]
        ].sum()
        for kind, params in (("other", self.other), ("not run", self.not_run)):
            if params:
                row = pd.DataFrame(
                    [[0.0, sum(params.values()), 0]], [kind], sums.columns
                )
                sums = pd.concat([sums, row])
        return sums.rename_axis("kind")

    def to_csv(self, path=None) -> str | None:
        """Write the table as CSV to `path`, or return it; a shape is written as
        64x55x55.

        A name that a spreadsheet would take for a formula is written with an
        apostrophe before it. The last column, ``sees``, tells what the receptive
        field is: see `Layer`.
        """
        table = self.table.assign(
            output=[times(layer.output, "x") for layer in self.layers]
        )
        fields = [times(layer.receptive_field, "x") for layer in self.layers]
        sees = [layer.sees for layer in self.layers]
        table.index = table.index.map(_no_formula)
        return table.assign(receptive_field=fields, sees=sees).to_csv(path)

    def to_dict(self) -> dict[str, Any]:
        """Everything as lists, dicts and numbers, ready for JSON."""
        rows = [
            {"layer": layer.name}
            | {column: getattr(layer, column) for column in (*COLUMNS, "sees")}
            | ({} if layer.kept_kb is None else {"kept_kb": layer.kept_kb})
            for layer in self.layers
        ]
        told = {"training": self.training.to_dict()} if self.training else {}
        return told | {
            "name": self.name,
            "input_size": list(self.input_size),
            "layers": rows,
            "other": self.other,
            "not_run": self.not_run,
            "total": self.total._asdict() | {"macs": self.total.macs},
        }

    def _display(self) -> pd.DataFrame:
        """The table as people read it, with the total below."""
        import pandas as pd

        total = self.total
        whole = all(float(layer.memory_kb).is_integer() for layer in self.layers)
        memory = ",.0f" if whole else ",.2f"
        rows = [
            (
                layer.name,
                layer.kind,
                times(layer.output, "×"),
                f"{layer.memory_kb:{memory}}",
                f"{layer.params:,}",
                f"{layer.flops:,}",
                _field(layer),
                "" if layer.kept_kb is None else f"{layer.kept_kb:,.0f}",
            )
            for layer in self.layers
        ]
        for title, params in (("other", self.other), ("not run", self.not_run)):
            if params:
                rows.append(
                    (
                        f"({title})",
                        "",
                        "",
                        "",
                        f"{sum(params.values()):,}",
                        "",
                        "",
                        "",
                    )
                )
        rows.append(
            (
                "total",
                "",
                "",
                f"{total.memory_kb:{memory}}",
                f"{total.params:,}",
                f"{total.flops:,}",
                "",
                f"{self.training.kept_kb:,.0f}" if self.training else "",
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
            "kept (KB)",
        )
        table = pd.DataFrame(rows, columns=heads).set_index("layer")
        return table if self.training else table.drop(columns="kept (KB)")

    def __str__(self) -> str:
        lines = [f"{self.name} on {times(self.input_size, '×')}"]
        lines.append(self._display().reset_index().to_string(index=False))
        if self.not_run:
            lines.append(f"not run: {', '.join(self.not_run)}")
        macs = self.total.macs
        lines.append(
            f"{_short(macs)} multiply-adds = {_short(2 * macs)}FLOP "
            "where a multiply and an add are two"
        )
        if self.training is not None:
            t = self.training
            lines.append(
                f"training, on a {t.device} in {t.precision}: {t.weights_kb:,.0f} "
                f"KB of weights, {t.gradients_kb:,.0f} KB of gradients, "
                f"{t.optimizer_kb:,.0f} KB of the optimiser; "
                f"{t.kept_kb:,.0f} KB kept for the backward pass of one image"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        total = self.total
        return (
            f"<Profile of {self.name} on {times(self.input_size, '×')}: "
            f"{len(self.layers)} layers, {total.memory_kb:,.0f} KB, "
            f"{total.params:,} params, {total.flops:,} flops>"
        )

    def _repr_html_(self) -> str:
        """The rows by their names in words; those in code are their titles."""
        table = self._display()
        body = "".join(
            f"<tr>{self._row_head(name)}"
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for name, _, *cells in table.itertuples()  # the kind is in the words
        )
        heads = "".join(
            f"<th scope='col'>{head}</th>" for head in ("layer", *table.columns[1:])
        )
        caption = html.escape(
            f"{self.name} on {times(self.input_size, '×')}, per image"
        )
        return (
            '<div class="profile-box"><table class="profile"><caption>'
            f"{caption}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def _row_head(self, name: str) -> str:
        if name not in self.labels:  # the total, and what is no layer
            return f'<th scope="row">{html.escape(name)}</th>'
        title, words = html.escape(name), html.escape(self.labels[name])
        return f'<th scope="row" title="{title}">{words}</th>'


def _no_formula(name: str) -> str:
    plain = name.replace("\r", " ")  # which pandas does not quote
    return (
        f"'{plain}"
        if name.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        else plain
    )


def _field(layer: Layer) -> str:
    """The receptive field as people read it: its size, or why there is none."""
    if layer.sees == "whole image":
        return f"{times(layer.receptive_field, '×')} (whole image)"
    return (
        layer.sees
        if layer.receptive_field is None
        else times(layer.receptive_field, "×")
    )


def _short(n: int) -> str:
    """1_814_073_344 → "1.81 G"."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n} "
