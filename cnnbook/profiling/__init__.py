"""The three measures of a network, layer by layer, from shapes alone.

`profile` calls the network's own ``forward`` on tensors that have a shape and no
data, under a `TorchFunctionMode` that answers each function with the shape of its
result. Nothing is computed and nothing is allocated. Because the mode sees
functions, not modules, ``F.relu``, ``+`` and ``cat`` are seen as well as layers,
and a module used twice is seen twice.

The convention, per image, in 32-bit floats (the notes, *Net Architecture*):

- ``memory_kb``: C'·H'·W'·4 / 1024 of the layer's output;
- ``params``: C'·(C/groups)·K·K weights, and C' biases if the layer has them;
- ``flops``: (C'·H'·W')·((C/groups)·K·K). A multiplication and its addition are one.
  A linear layer is out·in; pooling, normalisation and activation are 0.

The receptive field of a layer is the side, in pixels of the image, of the square
that one of its outputs depends on (Araujo, Norris, Sim, *Computing Receptive Fields
of Convolutional Neural Networks*, Distill 2019): an image may be smaller than it,
and then the output sees all of it.
"""

from cnnbook.profiling.profile import profile
from cnnbook.profiling.rows import Layer, ProfileError, TooSmall, Total
from cnnbook.profiling.table import Profile
from cnnbook.profiling.training import Training

__all__ = [
    "Layer",
    "Profile",
    "ProfileError",
    "TooSmall",
    "Total",
    "Training",
    "profile",
]
