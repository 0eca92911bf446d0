"""The pictures of grouped convolutions and of runs side by side."""

from __future__ import annotations

import torch

from cnnbook import figures


def grouped(groups: int, channels: int = 8) -> torch.Tensor:
    group = torch.arange(channels) * groups // channels
    return group[:, None] == group[None, :]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_connections_are_those_of_the_matrix():
    reads = {f"groups={g}": grouped(g) for g in (1, 2, 4)}
    figure = figures.connections(reads)
    figure.draw_without_rendering()
    for ax, (title, matrix) in zip(figure.axes, reads.items(), strict=True):
        assert ax.get_title() == title and {"inputs", "outputs"} == set(texts(ax))
        lines = [line for line in ax.lines if list(line.get_ydata()) == [1, 0]]
        drawn = {(int(line.get_xdata()[1]), int(line.get_xdata()[0])) for line in lines}
        assert drawn == {tuple(pair) for pair in matrix.nonzero().tolist()}
        colors = {line.get_color() for line in lines}
        assert len(colors) == len({tuple(row) for row in matrix.tolist()})
