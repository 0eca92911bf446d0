"""Several processes that train one network, a device each, as torchrun starts them.

Every process draws the same order and the same augmentation and takes its share of
each batch, so a run has the same batches whatever the number of processes. Batch
normalisation takes its statistics from a process's share, as
`DistributedDataParallel` does.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the processes that torchrun started, if it did; the device for this one
    of them."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield device
        return
    on_gpus = torch.cuda.is_available() and device in ("auto", "cuda")
    if on_gpus:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    store, rank, size = next(dist.rendezvous("env://"))
    store = dist.PrefixStore(agreed_name(store, rank, size), store)
    dist.init_process_group(
        "nccl" if on_gpus else "gloo", store=store, rank=rank, world_size=size
    )
    try:
        yield device
    finally:
        dist.destroy_process_group()


def agreed_name(store: dist.Store, rank: int, size: int) -> str:
    """A name that the processes which run now have agreed upon, and no earlier ones
    had.

    torchrun keeps one store of addresses for all its restarts. A process that meets
    the others there by a fixed name may read what one that is gone has left, and
    calls nobody (https://github.com/pytorch/pytorch/issues/135712). The number of
    restarts is no such name: each machine counts its own. So each process asks with
    a word just made up, which only a first process that runs now can answer; what
    earlier ones asked it answers too, to nobody.
    """
    word = uuid.uuid4().hex
    if rank > 0:
        store.set(f"question/{rank}", word)
        name = store.get(f"answer/{word}").decode()  # waits for it
        store.add(f"heard/{name}", 1)
        return name
    while store.add(f"heard/{word}", 0) < size - 1:
        for other in range(1, size):
            if store.check([f"question/{other}"]):
                store.set(f"answer/{store.get(f'question/{other}').decode()}", word)
        time.sleep(0.01)
    return word


def world() -> tuple[int, int]:
    """This process's number and how many there are."""
    return (
        (dist.get_rank(), dist.get_world_size())
        if dist.is_initialized()
        else (0, 1)
    )


def is_first() -> bool:
    """Whether this process is the one that writes and prints."""
    return world()[0] == 0


def share(tensor: Tensor) -> Tensor:
    """This process's part of a tensor's first dimension; parts differ by one row at
    most."""
    rank, size = world()
    return tensor.tensor_split(size)[rank]


def parallel(model: nn.Module) -> nn.Module:
    """A network that, where there are several processes, averages its gradients
    over them."""
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
