"""The pictures of depth."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cnnbook import figures

ERRORS = pd.DataFrame(
    [
        (arm, seed, epoch, start / epoch + seed)
        for arm, start in (("plain20", 60), ("plain56", 90), ("resnet20", 50), ("resnet56", 40))
        for seed in (0, 1, 2)
        for epoch in (1, 2, 3)
    ],
    columns=["arm", "seed", "epoch", "error"],
)
KINDS = {"plain": ("plain20", "plain56"), "residual": ("resnet20", "resnet56")}


def named(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_degradation_draws_every_run_and_the_mean_of_each_arm():
    figure = figures.degradation(ERRORS, KINDS)
    figure.draw_without_rendering()
    assert [ax.get_title() for ax in figure.axes] == ["plain", "residual"]
    for ax, arms in zip(figure.axes, KINDS.values(), strict=True):
        assert len(ax.lines) == 2 * (3 + 1)
        for arm in arms:
            (mean,) = (line for line in ax.lines if line.get_label() == arm)
            expected = ERRORS[ERRORS.arm == arm].groupby("epoch").error.mean()
            np.testing.assert_allclose(mean.get_ydata(), expected)


def test_names_are_in_the_order_of_the_lines():
    figure = figures.degradation(ERRORS, KINDS)
    assert named(figure.axes[0]) == ["plain56", "plain20"]
    assert named(figure.axes[1]) == ["resnet20", "resnet56"]


def test_through_depth_has_a_point_per_layer():
    norms = {"plain": {"a": [1.0, 0.1], "b": [9.0, 3.0, 0.2], "c": [4.0, 2.0, 1.0, 0.5]}}
    figure = figures.through_depth(norms | {"residual": norms["plain"]}, "gradient norm")
    figure.draw_without_rendering()
    for ax in figure.axes:
        assert ax.get_yscale() == "log"
        drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
        assert drawn == norms["plain"]
        assert named(ax) == ["b", "c", "a"]
    assert figure.axes[0].get_ylabel() == "gradient norm"
