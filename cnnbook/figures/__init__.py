"""Every plot of the book, in one style that reads on light and dark pages.

Each function receives a table, a tensor or a network, draws it, and returns a matplotlib figure; it
computes nothing. In a notebook the figure appears as SVG.
"""

from cnnbook.figures.block import block
from cnnbook.figures.comparison import seconds, trade_off, winners
from cnnbook.figures.depth import degradation, through_depth
from cnnbook.figures.groups import by_arm, connections
from cnnbook.figures.learning import curves, filters, images
from cnnbook.figures.network import architecture, receptive_field, shares, two_halves
from cnnbook.figures.occlusion import occlusion
from cnnbook.figures.pixels import gradient
from cnnbook.figures.roofline import roofline
from cnnbook.figures.scaling import scaling
from cnnbook.figures.search import ranking
from cnnbook.figures.side_by_side import interaction, measures, pairs
from cnnbook.figures.stages import columns, stages, totals

__all__ = [
    "architecture",
    "block",
    "by_arm",
    "columns",
    "connections",
    "curves",
    "degradation",
    "filters",
    "gradient",
    "images",
    "interaction",
    "measures",
    "occlusion",
    "pairs",
    "ranking",
    "receptive_field",
    "roofline",
    "scaling",
    "seconds",
    "shares",
    "stages",
    "through_depth",
    "totals",
    "trade_off",
    "two_halves",
    "winners",
]
