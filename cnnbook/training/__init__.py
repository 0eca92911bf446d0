"""Recipe → `fit` → Run: train a network on a set of images.

>>> from cnnbook import data, fit, models, Recipe
>>> train, test = data.load("fashion-mnist-mini")
>>> net = models.create("alexnet", num_classes=10, in_channels=1)
>>> run = fit(net, train, test, Recipe(epochs=2, image_size=63))
"""

from cnnbook.training.loop import fit
from cnnbook.training.recipe import Recipe
from cnnbook.training.run import Run

__all__ = ["Recipe", "Run", "fit"]
