"""The worked convolution is PyTorch's, and can be read."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F

from cnnbook import figures
from cnnbook.figures._cells import ABOVE, BELOW, SIGNED, ZERO, short_number
from cnnbook.figures._style import INK

IMAGE = torch.tensor(
    [[0, 1, 3, 3, 1], [0, 2, 4, 4, 1], [0, 3, 5, 4, 0], [1, 4, 5, 3, 0], [1, 3, 3, 1, 0]]
)
SOBEL = torch.tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def in_order(look, figure) -> list[str]:
    return [text.get_text() for text in look.written(figure)]


@pytest.mark.parametrize("position", [(0, 0), (1, 0), (2, 2), (1, 2)])
def test_a_convolution_is_pytorch_s(position, look):
    figure = figures.convolution(IMAGE, SOBEL, 2, 1, position, bias=1)
    texts = look.check_texts(figure)
    assert {"input", "kernel", "products", "output", "∗", "="} <= texts
    output = F.conv2d(IMAGE[None, None].float(), SOBEL[None, None].float(), stride=2, padding=1)
    output = output[0, 0] + 1
    value = short_number(float(output[position]))
    assert any(text.startswith("+ bias 1") and text.endswith(f"= {value}") for text in texts)
    words = in_order(look, figure)
    numbers = [word for word in words if re.fullmatch(r"−?[\d.]+", word)]
    assert len(numbers) == 7 * 7 + 9 + 9 + 9
    shown = numbers[-9:]
    products = numbers[49 + 9 : 49 + 18]
    assert shown == [short_number(v) for v in output.flatten().tolist()]
    row, column = (2 * at for at in position)
    window = F.pad(IMAGE, (1, 1, 1, 1))[row : row + 3, column : column + 3] * SOBEL
    assert products == [short_number(v) for v in window.flatten().tolist()]


def test_the_sum_is_written_out(look):
    texts = look.check_texts(figures.convolution(IMAGE, SOBEL, 1, 0, (0, 2)))
    line = " ".join(word for word in texts if " + " in word or "= −" in word)
    assert "= −13" in line and line.count("(−") == 3


def test_a_larger_image_still_fits(look):
    look.check_texts(
        figures.convolution(torch.arange(49).view(7, 7) % 5, torch.ones(3, 3), padding=1)
    )


@pytest.mark.parametrize("size, stride", [(2, 2), (3, 1)])
def test_a_pooling_is_pytorch_s(size, stride, look):
    image = torch.tensor([[1, 3, 0, 2], [4, 2, 1, 5], [0, 1, 7, 3], [2, 2, 4, 6]])
    figure = figures.pooling(image, size, stride)
    assert {"input", "maximum", "average"} <= look.check_texts(figure)
    numbers = [word for word in in_order(look, figure) if re.fullmatch(r"[\d.]+", word)]
    image = image[None, None].float()
    expected = [*image.flatten().tolist()]
    expected += F.max_pool2d(image, size, stride).flatten().tolist()
    expected += F.avg_pool2d(image, size, stride).flatten().tolist()
    assert numbers == [short_number(value) for value in expected]


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"), (-0.0, "0"), (-0.001, "0"), (12, "12"), (-3, "−3"), (2.5, "2.5"), (0.25, ".25"),
        (-0.1, "−.1"), (1.25, "1.25"), (-2.12, "−2.1"), (0.998, "1"), (-12.34, "−12"), (10, "10"),
        (100, "100"), (250.4, "250"),
    ],
)  # fmt: skip
def test_short_numbers(value, text):
    assert short_number(value) == text


def test_zero_is_the_middle_of_the_colours(look):
    from matplotlib.colors import to_hex

    assert [to_hex(SIGNED(at)) for at in (0.0, 1.0)] == [BELOW, ABOVE]
    middle = to_hex(SIGNED(0.5))
    assert all(abs(int(middle[i : i + 2], 16) - int(ZERO[i : i + 2], 16)) < 4 for i in (1, 3, 5))
    assert min(look.contrast(color, INK) for color in (BELOW, ZERO, ABOVE)) >= 6


@pytest.mark.parametrize(
    "draw, said",
    [
        (lambda: figures.convolution(IMAGE[None], SOBEL), "3 dimensions"),
        (lambda: figures.convolution(torch.zeros(8, 8), SOBEL, padding=1), "at most 9×9 .* 10×10"),
        (lambda: figures.convolution(IMAGE, SOBEL, position=(3, 0)), r"3×3, not \(3, 0\)"),
        (lambda: figures.pooling(torch.zeros(2, 2), 3), "3×3 does not fit into 2×2"),
    ],
)
def test_what_cannot_be_drawn_is_told(draw, said):
    with pytest.raises(ValueError, match=said):
        draw()
