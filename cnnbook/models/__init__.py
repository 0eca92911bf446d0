"""The architectures of the book, each in one file that reads as its paper does.

>>> from cnnbook import models
>>> models.names()
('alexnet',)
>>> net = models.create("alexnet", num_classes=10, in_channels=1)
"""

from cnnbook.models._common import create, names
from cnnbook.models.alexnet import AlexNet, AlexNet2012, alexnet
from cnnbook.models.alexnet_split import AlexNetHalf, SplitRun, run_split

__all__ = [
    "AlexNet",
    "AlexNet2012",
    "AlexNetHalf",
    "SplitRun",
    "alexnet",
    "create",
    "names",
    "run_split",
]
