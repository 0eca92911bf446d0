"""Pictures of what a network makes of an image show the tensors that they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.patches import Rectangle
from torch import nn

from cnnbook import data, figures, models, profile
from cnnbook.interpret import Projection, Worked, kernel_table

PICTURE = data.photograph("chelsea")[:, :300, :300]


def pictures(figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for ax in figure.axes for image in ax.images]


def unit(k: int = 3, channels: int = 5, bias: float = 0.5, steps=(("ReLU", 1.0),)) -> Worked:
    chance = torch.Generator().manual_seed(0)
    inputs = torch.randn(channels, k, k, generator=chance)
    kernel = torch.randn(channels, k, k, generator=chance)
    missing = torch.zeros(k, k).bool()
    missing[0] = True
    inputs[:, missing] = 0
    sums = (inputs * kernel).sum((1, 2))
    return Worked(
        "conv", "conv 3×3, 8", 2, (0, 4), inputs, missing, kernel, sums, bias,
        float(sums.sum()) + bias, steps,
    )  # fmt: skip


def test_a_worked_unit_says_how_it_adds_up(look):
    shown = unit(steps=(("batch norm", -0.004), ("ReLU", 0.0)))
    texts = look.check_texts(figures.worked(shown))
    total = f"{float(shown.sums.sum()):.2f}".replace("-", "−")
    assert {"sum over all 5 input maps", total, "plus the bias 0.50", "behind the ReLU"} <= texts
    assert "−0.00" not in texts and "0.00" in texts
    largest = int(shown.sums.abs().argmax())
    assert f"map {largest}" in texts
    assert sum(text.startswith("map ") for text in texts) == 3
    assert f"{float(shown.sums[largest]):.2f}".replace("-", "−") in texts


def test_a_worked_unit_of_one_map_and_a_large_kernel(look):
    figure = figures.worked(unit(k=7, channels=1, bias=0.0))
    texts = look.check_texts(figure)
    assert {"map 0", "input", "kernel", "products"} <= texts and not any("all" in t for t in texts)
    cells = [p for ax in figure.axes for p in ax.patches if isinstance(p, Rectangle)]
    assert len(cells) == 3 * 49
    assert sum(p.get_facecolor()[3] == 0 for p in cells) == 7  # the padding of the window


def test_feature_maps_are_those_of_the_layers(look):
    layers = {"conv 3×3, 16": torch.randn(16, 14, 14), "conv 3×3, 4": torch.randn(4, 7, 7)}
    layers["conv 3×3, 16"][3] *= 10
    scores = {"Ankle boot": 0.9, "Bag": 0.001, "Sneaker": 0.06, "Sandal": 0.03, "Coat": 0.004}
    scores |= {"T-shirt/top": 0.005, "Shirt": 0.0}
    figure = figures.feature_maps(
        torch.rand(1, 28, 28), layers, caption="an ankle boot", scores=scores
    )
    texts = look.check_texts(figure)
    assert {"Ankle boot", "90%", "T-shirt/top"} <= texts and not {"Bag", "Shirt"} & texts
    most = float(layers["conv 3×3, 16"].abs().max())
    assert {"an ankle boot", "conv 3×3, 4", f"16 × 14 × 14, ± {most:.2g}"} <= texts
    shown = pictures(figure)
    assert len(shown) == 1 + 8 + 4
    assert any(np.array_equal(each, layers["conv 3×3, 16"][3].numpy()) for each in shown)
    for ax in figure.axes[2:10]:
        (image,) = ax.images
        low, high = image.get_clim()
        assert -low == high == pytest.approx(most)  # zero in the middle, one scale a layer
    with pytest.raises(ValueError, match="fc has no maps but 1"):
        figures.feature_maps(torch.rand(1, 28, 28), {"fc": torch.rand(10)})


@pytest.mark.parametrize("channels", [1, 3])
def test_kernels_stand_above_their_maps(channels):
    weight = nn.Conv2d(channels, 12, 7).weight  # a parameter, as a network has it
    maps = torch.randn(12, 20, 30, requires_grad=True)
    shown = pictures(figures.kernels_and_maps(PICTURE, weight, maps, (2, 5, 11)))
    assert len(shown) == 1 + 2 * 3 and shown[0].shape == (300, 300, 3)
    assert np.array_equal(shown[4], maps[5].detach().numpy())
    kernel = shown[3] if channels == 1 else shown[3][..., 0]
    expected = weight[5, 0].detach().numpy()
    assert np.corrcoef(kernel.ravel(), expected.ravel())[0, 1] > 0.999
    with pytest.raises(ValueError, match="12 kernels make no 5 maps"):
        figures.kernels_and_maps(PICTURE, weight, maps[:5], (0,))


def test_fields_grow_with_the_layers(look):
    with torch.device("meta"):
        table = profile(models.vgg16()).table
    figure = figures.fields(PICTURE, table, 224)
    texts = look.check_texts(figure)
    assert {"conv 1: 3 px", "pool 5: 212 px"} <= texts and len(texts) == 6
    frames = [p for ax in figure.axes for p in ax.patches if isinstance(p, Rectangle)]
    widths = [frame.get_width() * 224 / 300 for frame in frames]
    fields = [int(text.split(": ")[1].split()[0]) for text in texts]
    assert sorted(widths) == pytest.approx(sorted(fields))
    for frame in frames:  # around the middle
        assert frame.get_x() + frame.get_width() / 2 == pytest.approx(149.5)
    everything = pd.DataFrame(
        {"kind": ["linear"], "output": [(10,)], "receptive_field": [float("nan")]}
    )
    with pytest.raises(ValueError, match="no layer sees less than the image of 224"):
        figures.fields(PICTURE, everything, 224)


@pytest.mark.parametrize("channels", [1, 3])
def test_nine_projections_stand_beside_their_windows(channels, look):
    image = torch.rand(channels, 40, 40)
    pixels = torch.zeros_like(image)
    pixels[:, 10:20, 5:25] = torch.randn(channels, 10, 20)
    projection = Projection(pixels, 1.5, (2, 2), (8, 4, 22, 28))
    figure = figures.top_nine({"map 7": [(projection, image)] * 9, "map 9": [(projection, image)]})
    assert {"map 7", "map 9"} == look.check_texts(figure)
    shown = pictures(figure)
    assert len(shown) == 2 * 10 and {each.shape[:2] for each in shown} == {(14, 24)}


def test_explanations_are_laid_over_the_image(look):
    cam, covered = torch.rand(4, 4), torch.rand(9, 9)
    rows = [
        (PICTURE, "taken for a cat", {"Grad-CAM": cam, "occlusion": covered}),
        (torch.rand(1, 28, 28), "taken for a bag", {"Grad-CAM": cam, "occlusion": covered}),
    ]
    figure = figures.explanations(rows, {"Grad-CAM": "layer3"})
    texts = look.check_texts(figure)
    assert {"image", "Grad-CAM", "occlusion", "layer3", "taken for a bag"} <= texts
    shown = pictures(figure)
    assert sum(np.array_equal(each, cam.numpy()) for each in shown) == 2
    assert sum(np.array_equal(each, covered.numpy()) for each in shown) == 2


def test_stems_frame_what_is_dead_or_aliases(look):
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 14, 11, stride=4)
    weight = conv.weight.detach()
    weight[3] = 0
    weight[5] = 1.0  # a flat kernel: little of it aliases
    table = kernel_table(conv.weight, 4)
    figure = figures.stems({"11×11, stride 4": (conv.weight, table)})
    aliased = int((table["aliased"] > 0.5).sum())
    assert 0 < aliased < 14
    texts = look.check_texts(figure)
    said = f"1 of 14 dead (purple), {aliased} mostly aliased (orange)"
    assert {"11×11, stride 4", said} <= texts
    frames = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert len(frames) == 1 + aliased and len(pictures(figure)) == 14


def test_a_picture_is_of_one_or_three_channels():
    with pytest.raises(ValueError, match="1×H×W or 3×H×W, got 2×4×4"):
        figures.feature_maps(torch.rand(2, 4, 4), {"conv1": torch.rand(3, 4, 4)})
