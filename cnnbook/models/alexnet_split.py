"""The 2012 AlexNet on two devices, as it was trained: each device holds one half of
every layer.

Krizhevsky, Sutskever, Hinton, NeurIPS 2012, section 3.2 and figure 2. A half owns
half of each layer's output units. Where a layer reads both halves (conv3 and the
linear layers) the two devices swap activations first, and swap gradients on the way
back; elsewhere nothing crosses.

The halves are two processes that talk through `torch.distributed`: over NCCL on two
CUDA devices where there are two, otherwise over gloo on the CPU.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import Tensor, nn

from cnnbook.models._common import check_images
from cnnbook.models.alexnet import SMALLEST, AlexNet2012, LocalResponseNorm2012

if TYPE_CHECKING:
    import pandas as pd

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")


def swap(mine: Tensor) -> Tensor:
    """Send `mine` to the other half and return what it sent: a tensor of the same
    shape."""
    peer, mine = 1 - dist.get_rank(), mine.contiguous()
    theirs = torch.empty_like(mine)
    sent = dist.P2POp(dist.isend, mine, peer)
    received = dist.P2POp(dist.irecv, theirs, peer)
    for request in dist.batch_isend_irecv([sent, received]):
        request.wait()
    return theirs


class Join(torch.autograd.Function):
    """My half of the channels N × C/2 × … → both halves, N × C × …, in the halves'
    order.

    Backward: both halves read the joined tensor, so each holds a part of the
    gradient of every channel; the parts of the other half's channels go back to it
    and are added there. After the last layer both halves compute the same loss, so
    `shared_loss` leaves nothing to add.
    """

    @staticmethod
    def forward(
        ctx, mine: Tensor, sent: dict, layer: str, shared_loss: bool
    ) -> Tensor:
        ctx.sent, ctx.layer, ctx.shared_loss = sent, layer, shared_loss
        theirs = swap(mine)
        sent[layer, "forward"] = mine[0].numel()
        return torch.cat(
            (mine, theirs) if dist.get_rank() == 0 else (theirs, mine), 1
        )

    @staticmethod
    def backward(ctx, gradient: Tensor):
        halves = gradient.chunk(2, 1)
        mine, theirs = halves[dist.get_rank()], halves[1 - dist.get_rank()]
        if not ctx.shared_loss:
            mine = mine + swap(theirs)
            ctx.sent[ctx.layer, "backward"] = theirs[0].numel()
        return mine, None, None, None


class AlexNetHalf(nn.Module):
    """Half `rank` (0 or 1) of the 2012 AlexNet, cut out of the weights of a whole
    one.

    ``forward`` must run in both halves' processes at once and returns the whole
    network's logits in both. ``sent`` counts, per image, the activations and
    gradients this half sent away, by (layer that needed them, direction).
    """

    def __init__(self, whole: dict[str, Tensor], rank: int):
        super().__init__()
        self.sent: dict[tuple[str, str], int] = {}
        for name in LAYERS:
            weight, bias = (
                whole[f"{name}.{key}"].chunk(2)[rank] for key in ("weight", "bias")
            )
            self.register_parameter(f"{name}_weight", nn.Parameter(weight.clone()))
            self.register_parameter(f"{name}_bias", nn.Parameter(bias.clone()))
        self.norm = LocalResponseNorm2012(halves=1)
        self.pool = nn.MaxPool2d(3, stride=2)

    def layer(self, name: str) -> tuple[Tensor, Tensor]:
        return getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")

    def join(self, x: Tensor, layer: str, shared_loss: bool = False) -> Tensor:
        return Join.apply(x, self.sent, layer, shared_loss)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(F.conv2d(images, *self.layer("conv1"), stride=4, padding=2))
        x = self.pool(self.norm(x))  # N × 48 × 27 × 27 in each half
        x = F.relu(F.conv2d(x, *self.layer("conv2"), padding=2))
        x = self.pool(self.norm(x))  # N × 128 × 13 × 13
        x = self.join(x, "conv3")  #   N × 256 × 13 × 13 in both
        x = F.relu(F.conv2d(x, *self.layer("conv3"), padding=1))
        #                              N × 192 × 13 × 13
        x = F.relu(F.conv2d(x, *self.layer("conv4"), padding=1))
        x = F.relu(F.conv2d(x, *self.layer("conv5"), padding=1))
        #                              N × 128 × 13 × 13
        x = F.adaptive_avg_pool2d(self.pool(x), 6).flatten(1)  # N × 4608
        x = F.relu(F.linear(self.join(x, "fc6"), *self.layer("fc6")))  # N × 2048
        x = F.relu(F.linear(self.join(x, "fc7"), *self.layer("fc7")))  # N × 2048
        x = F.linear(self.join(x, "fc8"), *self.layer("fc8"))
        return self.join(x, "logits", shared_loss=True)  # N × num_classes in both


@dataclass(frozen=True)
class SplitRun:
    """What `run_split` measured.

    Attributes:
        logits: N × num_classes, on the CPU.
        gradients: gradient of the mean cross-entropy for every parameter of the
            whole network, under the whole network's ``state_dict`` keys; empty
            without labels.
        traffic: a row per layer, indexed by its name: ``forward`` activations that
            crossed between the halves before the layer, both directions together,
            per image; ``backward`` the gradients that crossed back.
        devices: where each half ran.
    """

    logits: Tensor
    gradients: dict[str, Tensor]
    traffic: pd.DataFrame
    devices: tuple[str, str]


def run_split(
    model: AlexNet2012, images: Tensor, labels: Tensor | None = None
) -> SplitRun:
    """Run `model` as two halves on two devices: forward, and backward where
    `labels` are given.

    The caller's model is only read. Dropout is off, so that the outcome can be
    compared with the whole network's.

    Args:
        model: a 2012 AlexNet (``models.alexnet(variant="paper")``) with an even
            ``num_classes``.
        images: N × C × H × W float.
        labels: N class numbers, or None for the forward pass only.

    Raises:
        ValueError: for another network, an odd number of classes, or images or
            labels it cannot take.
    """
    import pandas as pd

    if not isinstance(model, AlexNet2012):
        raise ValueError(
            f"only the 2012 AlexNet has two halves, got {type(model).__name__}; "
            'build it with alexnet(variant="paper")'
        )
    if model.fc8.out_features % 2:
        raise ValueError(
            f"two halves need an even num_classes, got {model.fc8.out_features}"
        )
    check_images(images, "AlexNet", model.conv1, SMALLEST)
    if labels is not None:
        classes = model.fc8.out_features
        if (
            labels.shape != images.shape[:1]
            or not 0 <= labels.min() <= labels.max() < classes
        ):
            raise ValueError(
                f"labels must be {len(images)} class numbers below {classes}"
            )

    backend = "nccl" if torch.cuda.device_count() >= 2 else "gloo"
    with tempfile.TemporaryDirectory() as folder:
        state = {key: value.cpu() for key, value in model.state_dict().items()}
        job = {"state": state, "images": images.cpu()}
        torch.save(
            job | ({} if labels is None else {"labels": labels.cpu()}),
            f"{folder}/job",
        )
        mp.spawn(_run_half, args=(folder, backend), nprocs=2)
        halves = [
            torch.load(f"{folder}/half{rank}", weights_only=True) for rank in (0, 1)
        ]

    sent = [half["sent"] for half in halves]
    rows = {
        layer: {
            way: sum(s.get((layer, way), 0) for s in sent)
            for way in ("forward", "backward")
        }
        for layer in (*LAYERS, "logits")
    }
    gradients = {
        key: torch.cat([half["gradients"][key] for half in halves])
        for key in halves[0]["gradients"]
    }
    return SplitRun(
        logits=halves[0]["logits"],
        gradients=gradients,
        traffic=pd.DataFrame.from_dict(rows, orient="index").rename_axis("layer"),
        devices=tuple(half["device"] for half in halves),
    )


def _run_half(rank: int, folder: str, backend: str) -> None:
    """The work of one process: its half's forward and backward pass, saved to
    `folder`."""
    if backend == "nccl":
        torch.cuda.set_device(rank)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // 2))
    device = (
        torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    )
    rendezvous = (Path(folder) / "rendezvous").as_uri()
    dist.init_process_group(
        backend, init_method=rendezvous, rank=rank, world_size=2
    )
    try:
        job = torch.load(f"{folder}/job", weights_only=True, mmap=True)
        half = AlexNetHalf(job["state"], rank).to(device)
        logits = half(job["images"].to(device))
        if "labels" in job:
            F.cross_entropy(logits, job["labels"].to(device)).backward()
        gradients = {
            f"{name}.{key}": parameter.grad.cpu()
            for name in LAYERS
            for key, parameter in zip(
                ("weight", "bias"), half.layer(name), strict=True
            )
            if parameter.grad is not None
        }
        # The process id shows that the halves share no memory even where both are
        # CPUs.
        where = str(device) if backend == "nccl" else f"cpu, process {rank}"
        result = {
            "logits": logits.detach().cpu(),
            "gradients": gradients,
            "sent": half.sent,
        }
        torch.save(result | {"device": where}, f"{folder}/half{rank}")
    finally:
        dist.destroy_process_group()
