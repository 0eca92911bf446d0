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


def test_degradation_draws_the_mean_of_each_arm_and_from_its_lowest_run_to_its_highest():
    figure = figures.degradation(ERRORS, KINDS)
    figure.draw_without_rendering()
    assert [ax.get_title() for ax in figure.axes] == ["plain", "residual"]
    for ax, arms in zip(figure.axes, KINDS.values(), strict=True):
        assert len(ax.lines) == len(ax.collections) == 2
        for arm, ground in zip(arms, ax.collections, strict=True):
            runs = ERRORS[ERRORS.arm == arm].groupby("epoch").error
            (mean,) = (line for line in ax.lines if line.get_label() == arm)
            np.testing.assert_allclose(mean.get_ydata(), runs.mean())
            corners = {tuple(point) for point in ground.get_paths()[0].vertices}
            assert corners >= {*runs.min().items(), *runs.max().items()}


def test_by_depth_draws_every_run_the_means_and_their_intervals():
    runs = pd.DataFrame(
        [
            (kind, layers, seed, up * layers + seed**2, seed / layers)
            for kind, up in (("plain", 1), ("residual", 2))
            for layers in (20, 32, 56)
            for seed in (0, 1, 2)
        ],
        columns=["kind", "layers", "seed", "error", "loss"],
    )
    figure = figures.by_depth(runs, {"error": "error (%)", "loss": "loss"})
    figure.draw_without_rendering()
    assert [ax.get_ylabel() for ax in figure.axes] == ["error (%)", "loss"]
    for ax, measure in zip(figure.axes, ("error", "loss"), strict=True):
        assert [text.get_text() for text in ax.texts] == ["plain", "residual"]
        for kind, bars in zip(("plain", "residual"), ax.containers, strict=True):
            of_kind = runs[runs.kind == kind].groupby("layers")[measure]
            (line, caps, _), mean = bars, of_kind.mean().to_numpy()
            np.testing.assert_allclose(np.array(line.get_ydata(), float), mean)
            # Student's t with two degrees of freedom
            reach = 4.302653 * of_kind.std().to_numpy() / 3**0.5
            for cap, end in zip(caps, (mean - reach, mean + reach), strict=True):
                np.testing.assert_allclose(np.array(cap.get_ydata(), float), end, rtol=1e-6)
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        assert sorted(np.concatenate([d.get_ydata() for d in dots])) == sorted(runs[measure])


def test_names_are_in_the_order_of_the_lines():
    figure = figures.degradation(ERRORS, KINDS)
    assert named(figure.axes[0]) == ["plain56", "plain20"]
    assert named(figure.axes[1]) == ["resnet20", "resnet56"]


def test_through_layers_has_a_point_per_layer():
    norms = {"plain": {"a": [1.0, 0.1], "b": [9.0, 3.0, 0.2], "c": [4.0, 2.0, 1.0, 0.5]}}
    figure = figures.through_layers(norms | {"residual": {"d": [2.0, 1.0]}}, "gradient norm")
    figure.draw_without_rendering()
    assert named(figure.axes[1]) == ["d"]
    for ax in figure.axes[:1]:
        assert ax.get_yscale() == "log"
        drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
        assert drawn == norms["plain"]
        assert named(ax) == ["b", "c", "a"]
    assert figure.axes[0].get_ylabel() == "gradient norm"
