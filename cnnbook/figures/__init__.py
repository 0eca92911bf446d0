"""Every plot of the book, in one style that reads on light and dark pages.

Each function receives a table, a tensor or a network, draws it, and returns a
matplotlib figure; it computes nothing. In a notebook the figure appears as SVG.
"""

from cnnbook.figures.after import compound, ladder, newcomers, separable, transfer
from cnnbook.figures.aligned import aligned
from cnnbook.figures.block import block
from cnnbook.figures.comparison import factors, seconds, trade_off, winners
from cnnbook.figures.convolution import convolution, pooling
from cnnbook.figures.depth import by_depth, degradation, through_layers
from cnnbook.figures.differences import differences
from cnnbook.figures.groups import connections
from cnnbook.figures.landing import error_against_cost
from cnnbook.figures.learning import curves, filters, images, runs
from cnnbook.figures.lesions import lesions
from cnnbook.figures.maps import (
    explanations,
    feature_maps,
    fields,
    kernels_and_maps,
    stems,
    top_nine,
)
from cnnbook.figures.network import (
    architecture,
    receptive_field,
    shares,
)
from cnnbook.figures.occlusion import occlusion
from cnnbook.figures.pixels import gradient, variants
from cnnbook.figures.report import report
from cnnbook.figures.roofline import roofline
from cnnbook.figures.scaling import scaling
from cnnbook.figures.search import ranking
from cnnbook.figures.side_by_side import interaction, pairs
from cnnbook.figures.stages import columns, measures, stages
from cnnbook.figures.training import bars, dots, ring, timeline
from cnnbook.figures.two_gpus import two_gpus
from cnnbook.figures.whole import whole
from cnnbook.figures.windows import field_of_stack, kernel_positions
from cnnbook.figures.worked import worked

__all__ = [
    "aligned",
    "architecture",
    "bars",
    "block",
    "by_depth",
    "columns",
    "compound",
    "connections",
    "convolution",
    "curves",
    "degradation",
    "differences",
    "dots",
    "explanations",
    "factors",
    "feature_maps",
    "field_of_stack",
    "fields",
    "error_against_cost",
    "filters",
    "gradient",
    "images",
    "interaction",
    "kernel_positions",
    "kernels_and_maps",
    "ladder",
    "lesions",
    "measures",
    "newcomers",
    "occlusion",
    "pairs",
    "pooling",
    "ranking",
    "receptive_field",
    "report",
    "ring",
    "roofline",
    "runs",
    "scaling",
    "seconds",
    "separable",
    "shares",
    "stages",
    "stems",
    "through_layers",
    "timeline",
    "top_nine",
    "trade_off",
    "two_gpus",
    "transfer",
    "variants",
    "whole",
    "winners",
    "worked",
]
