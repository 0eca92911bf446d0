"""The architectures of the book, each in one file that reads as its paper does.

They stand in the order of the chapters. In the shapes of their blocks, s is the
stride, and H/s and W/s are rounded up.

>>> from cnnbook import models
>>> models.names()[:3]
('alexnet', 'zfnet', 'vgg11')
>>> net = models.create("alexnet", num_classes=10, in_channels=1)
"""

from cnnbook._arguments import guard
from cnnbook.models._common import names, title
from cnnbook.models._create import create, on_meta
from cnnbook.models.alexnet import AlexNet, AlexNet2012, alexnet
from cnnbook.models.alexnet_split import AlexNetHalf, SplitRun, run_split
from cnnbook.models.convnext import ConvNeXt, ConvNeXtBlock, convnext_tiny
from cnnbook.models.deepen import deepen, set_identity
from cnnbook.models.densenet import DenseLayer, DenseNet, densenet121
from cnnbook.models.efficientnet import EfficientNet, MBConv, efficientnet_b0
from cnnbook.models.googlenet import (
    GoogLeNet,
    GoogLeNet2014,
    GoogLeNetOutputs,
    googlenet,
)
from cnnbook.models.inception import (
    Inception,
    Inception2014,
    InceptionAux,
    InceptionAux2014,
    NaiveInception,
)
from cnnbook.models.mobilenet import InvertedResidual, MobileNetV2, mobilenet_v2
from cnnbook.models.preactivation import (
    FirstBlock,
    PreActivationBlock,
    PreActivationResNet,
    preact_resnet18,
    preact_resnet20,
    preact_resnet34,
    preact_resnet50,
    preact_resnet56,
    preact_resnet101,
    preact_resnet110,
    preact_resnet152,
    preact_resnet164,
)
from cnnbook.models.pretrained import Weights, weights
from cnnbook.models.residual import (
    BasicBlock,
    Bottleneck,
    PaperBottleneck,
    PlainBlock,
)
from cnnbook.models.resnet import (
    ResNet,
    plain18,
    plain34,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from cnnbook.models.resnet_cifar import (
    CifarResNet,
    plain20,
    plain32,
    plain44,
    plain56,
    plain110,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
    resnet164,
)
from cnnbook.models.resnext import (
    ResNeXtBlock,
    resnext,
    resnext29,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
)
from cnnbook.models.resnext_forms import ConcatenatedPaths, SummedPaths
from cnnbook.models.se_resnet import SEBottleneck, SqueezeExcitation, se_resnet50
from cnnbook.models.small import SmallResNet, small_resnet
from cnnbook.models.stacks import (
    KernelStack,
    StemNetwork,
    kernel_stack,
    stem_network,
    vgg13_5x5,
)
from cnnbook.models.vgg import (
    VGG,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)
from cnnbook.models.zfnet import ZFNet, zfnet

__all__ = [
    "VGG",
    "Weights",
    "AlexNet",
    "AlexNet2012",
    "AlexNetHalf",
    "BasicBlock",
    "Bottleneck",
    "CifarResNet",
    "ConcatenatedPaths",
    "ConvNeXt",
    "ConvNeXtBlock",
    "DenseLayer",
    "DenseNet",
    "EfficientNet",
    "FirstBlock",
    "InvertedResidual",
    "KernelStack",
    "MBConv",
    "MobileNetV2",
    "PaperBottleneck",
    "PlainBlock",
    "PreActivationBlock",
    "PreActivationResNet",
    "ResNeXtBlock",
    "ResNet",
    "SEBottleneck",
    "SmallResNet",
    "SplitRun",
    "SqueezeExcitation",
    "StemNetwork",
    "SummedPaths",
    "ZFNet",
    "GoogLeNet",
    "GoogLeNet2014",
    "GoogLeNetOutputs",
    "Inception",
    "Inception2014",
    "InceptionAux",
    "InceptionAux2014",
    "NaiveInception",
    "alexnet",
    "convnext_tiny",
    "create",
    "deepen",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "kernel_stack",
    "mobilenet_v2",
    "names",
    "on_meta",
    "plain110",
    "plain18",
    "plain20",
    "plain32",
    "plain34",
    "plain44",
    "plain56",
    "preact_resnet101",
    "preact_resnet110",
    "preact_resnet152",
    "preact_resnet164",
    "preact_resnet18",
    "preact_resnet20",
    "preact_resnet34",
    "preact_resnet50",
    "preact_resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "resnet164",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnext",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "resnext29",
    "resnext50_32x4d",
    "run_split",
    "se_resnet50",
    "set_identity",
    "small_resnet",
    "stem_network",
    "title",
    "weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_5x5",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "zfnet",
]

guard(__name__, skip=["create", "run_split"])
