"""A network looked at: what it is made of, what it sees, what it looks at.

>>> from cnnbook.interpret import activations, deconvnet, grad_cam, occlusion_map
"""

from cnnbook._arguments import guard
from cnnbook.interpret.deconvnet import Projection, deconvnet
from cnnbook.interpret.filters import kernel_table
from cnnbook.interpret.gradcam import grad_cam, saliency
from cnnbook.interpret.graph import activations
from cnnbook.interpret.lesions import lesions, shipped_lesions
from cnnbook.interpret.occlusion import occlusion_map
from cnnbook.interpret.prepare import prepare
from cnnbook.interpret.receptive_field import gradient_map, measured_receptive_field
from cnnbook.interpret.strongest import Strongest, strongest
from cnnbook.interpret.worked import Worked, worked

__all__ = [
    "Projection",
    "Strongest",
    "Worked",
    "activations",
    "deconvnet",
    "grad_cam",
    "gradient_map",
    "kernel_table",
    "lesions",
    "measured_receptive_field",
    "occlusion_map",
    "prepare",
    "saliency",
    "shipped_lesions",
    "strongest",
    "worked",
]

guard(__name__, filled=True)
