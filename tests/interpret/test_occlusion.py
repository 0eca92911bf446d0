"""What a network looks at, on networks of which it is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnbook.interpret import occlusion_map


class LooksAt(nn.Module):
    """Sure of class 1 if the pixel is bright, of class 0 if it is not."""

    def __init__(self, row: int, column: int):
        super().__init__()
        self.row, self.column = row, column

    def forward(self, images):
        seen = images[:, :, self.row, self.column].mean(1)
        return torch.stack([torch.zeros_like(seen), 20 * (seen - 0.5)], 1)


def test_it_is_dark_where_the_pixel_is_covered():
    image = torch.ones(3, 9, 12)
    before = image.clone()
    found = occlusion_map(LooksAt(4, 7), image, label=1, size=3, stride=2)
    assert torch.equal(image, before)
    assert found.shape == (4, 5)  # squares from row 0, 2, 4, 6 and column 0, 2, 4, 6, 8
    # Pixel (4, 7) is under the squares that start in rows 2…4 and columns 5…7.
    dark = torch.zeros(4, 5, dtype=torch.bool)
    dark[1:3, 3] = True
    assert torch.equal(found < 0.5, dark)
    other = occlusion_map(LooksAt(4, 7), image, label=0, size=3, stride=2)
    torch.testing.assert_close(found + other, torch.ones(4, 5))


def test_the_square_has_its_value():
    image = torch.zeros(1, 4, 4)
    assert (occlusion_map(LooksAt(0, 0), image, 1, size=4, stride=1) < 0.5).all()
    assert (occlusion_map(LooksAt(0, 0), image, 1, size=4, stride=1, value=1.0) > 0.5).all()


@pytest.mark.parametrize(
    "size, stride, message",
    [
        (5, 1, "5 pixels does not fit into 4×6"),
        (0, 1, "size must be at least 1"),
        (2, 0, "stride must be"),
    ],
)
def test_squares_that_do_not_fit(size, stride, message):
    with pytest.raises(ValueError, match=message):
        occlusion_map(LooksAt(0, 0), torch.zeros(1, 4, 6), 0, size, stride)
