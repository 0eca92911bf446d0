"""What depends on the device: its choice, its precision and its random numbers."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


def find_device(device: str | torch.device) -> torch.device:
    """A GPU where there is one or else the CPU, for "auto"; or that device, if torch can use it.

    Raises:
        ValueError: if there is no such device here.
    """
    if str(device) == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        # A name may be right and its device absent; and "meta" computes nothing.
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, TypeError):
        here = ["auto", "cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        here += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(f"no device {str(device)!r} here; there is {', '.join(here)}") from None
    return found


def device_name(device: torch.device) -> str:
    """The device as people call it, such as "NVIDIA H100 80GB HBM3"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def full_name(device: str) -> str:
    """What `device_name` gives, with the processor's name for a CPU where the system tells it."""
    if device != "cpu":
        return device
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"CPU ({name})" if name else "CPU"


def autocast(device: torch.device) -> torch.autocast:
    """Mixed precision in bfloat16 on a GPU that computes in it; elsewhere all stays fp32."""
    # Older GPUs (Colab's T4) only emulate bfloat16, which is slower than fp32.
    enabled = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators that dropout draws from; put them back afterwards."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        # `torch.manual_seed` would also seed the GPUs that take no part.
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
