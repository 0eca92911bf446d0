"""Several processes that train one network, a device each, as torchrun starts them.

Every process draws the same order and the same augmentation and takes its share of each batch, so
a run has the same batches whatever the number of processes. Batch normalisation takes its
statistics from a process's share, as `DistributedDataParallel` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the processes that torchrun started, if it did; the device for this one of them."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield device
        return
    on_gpus = torch.cuda.is_available() and device in ("auto", "cuda")
    if on_gpus:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpus else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def world() -> tuple[int, int]:
    """This process's number and how many there are."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return world()[0] == 0


def share(tensor: Tensor) -> Tensor:
    """This process's part of a tensor's first dimension; parts differ by one row at most."""
    rank, size = world()
    return tensor.tensor_split(size)[rank]


def parallel(model: nn.Module) -> nn.Module:
    """A network that, where there are several processes, averages its gradients over them."""
    return DistributedDataParallel(model) if world()[1] > 1 else model


def total(tensor: Tensor) -> Tensor:
    """The sum over the processes of a tensor on the CPU."""
    if world()[1] == 1:
        return tensor
    there = tensor.cuda() if dist.get_backend() == "nccl" else tensor.clone()
    dist.all_reduce(there)
    return there.cpu()


def agree(*models: nn.Module) -> None:
    """Give every process the first one's running statistics."""
    if world()[1] > 1:
        for model in models:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)


def wait() -> None:
    """Wait until all processes are here."""
    if world()[1] > 1:
        dist.barrier()


def reseed(seed: int, epoch: int) -> None:
    """Where there are several processes, let each draw a dropout of its own in this epoch.

    It depends on nothing before the epoch, so a run may go on with another number of processes.
    """
    rank, size = world()
    if size > 1:
        torch.manual_seed((seed * 100_003 + epoch) * 100_003 + rank)
