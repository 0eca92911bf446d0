"""SE-ResNet: a ResNet whose blocks weigh their channels, image by image.

Hu, Shen, Sun, *Squeeze-and-Excitation Networks*, CVPR 2018 (arXiv:1709.01507); it
won the last ILSVRC, in 2017. The mean of each channel is *squeezed* out of the
image, two small layers make a weight between 0 and 1 of it, and the channel is
multiplied by that (figure 2). All else is ResNet-50. Keys and logits are those of
timm's ``seresnet50``; torchvision has no such network. Like timm's and
torchvision's ResNets, and unlike the paper's, a block halves the resolution in its
3×3 convolution.
"""

from __future__ import annotations

from torch import Tensor, nn

from cnnbook.models._common import register
from cnnbook.models.residual import Bottleneck
from cnnbook.models.resnet import ResNet

REDUCTION = 16  # channels of a block for each squeezed one (r, section 3.2)


class SqueezeExcitation(nn.Module):
    """x · σ(W₂ δ(W₁ mean(x))): N × `channels` × H × W to the same shape (Hu et al.
    2018, equations 2 to 4).

    Args:
        channels: of the image; each gets a weight.
        squeezed: channels between the two layers, 1×1 convolutions of one position.
        activation: the class of the module between them (δ).
    """

    def __init__(self, channels: int, squeezed: int, activation=nn.ReLU):
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)  #       N × channels × 1 × 1
        self.fc1 = nn.Conv2d(channels, squeezed, 1)  #  N × squeezed × 1 × 1
        self.activation = activation(inplace=True)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)  #  N × channels × 1 × 1
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.fc2(self.activation(self.fc1(self.avgpool(x)))))


class SEBottleneck(Bottleneck):
    """relu(SE(F(x)) + x), F being a bottleneck's three convolutions (Hu et al.
    2018, figure 3).

    N × `in_channels` × H × W to N × 4·`channels` × H/s × W/s.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1):
        super().__init__(in_channels, channels, stride)
        out_channels = channels * self.expansion
        self.se = SqueezeExcitation(out_channels, out_channels // REDUCTION)
        # Last, as in timm: a state_dict keeps the order in which parts were added.
        downsample = self.downsample
        del self.downsample
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.se(self.bn3(self.conv3(out))) + self.downsample(x))


@register
def se_resnet50(**options) -> ResNet:
    """SE-ResNet-50 (Hu et al. 2018, table 1). `options`: ``num_classes`` and
    ``in_channels``."""
    return ResNet(SEBottleneck, (3, 4, 6, 3), **options)
