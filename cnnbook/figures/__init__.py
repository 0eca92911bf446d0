"""Every plot of the book, in one style that reads on light and dark pages.

Each function receives a table, a tensor or a network, draws it, and returns a matplotlib figure; it
computes nothing. In a notebook the figure appears as SVG.
"""

from cnnbook.figures.learning import curves, filters, images
from cnnbook.figures.network import architecture, receptive_field, shares, two_halves
from cnnbook.figures.pixels import gradient

__all__ = [
    "architecture",
    "curves",
    "filters",
    "gradient",
    "images",
    "receptive_field",
    "shares",
    "two_halves",
]
