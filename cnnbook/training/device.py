"""What depends on the device: its choice, its name, and what it computes in."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from cnnbook._arguments import short

# Of x86 and of Arm, as Linux names them.
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def find_device(device: str | torch.device) -> torch.device:
    """A GPU where there is one or else the CPU, for "auto"; or that device, if
    torch can use it.

    Raises:
        ValueError: if there is no such device here.
    """
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        if not isinstance(device, (str, torch.device)):
            raise TypeError
        found = torch.device(device)
        # A name may be right and its device absent; and "meta" computes nothing.
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, TypeError):
        here = [
            "auto",
            "cpu",
            *(f"cuda:{i}" for i in range(torch.cuda.device_count())),
        ]
        here += ["mps"] if torch.backends.mps.is_available() else []
        raise ValueError(
            f"no device {short(str(device))} here; there is {', '.join(here)}"
        ) from None
    return found


def device_name(device: torch.device) -> str:
    """The device as people call it, such as "NVIDIA H100 80GB HBM3"."""
    return (
        torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    )


def full_name(device: str) -> str:
    """What `device_name` gives, with the processor's name for a CPU where the
    system tells it."""
    if device != "cpu":
        return device
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    names = [
        line.partition(":")[2].strip()
        for line in lines
        if line.startswith("model name")
    ]
    name = names[0] if names else platform.processor()
    return f"CPU ({name})" if name else "CPU"


def computes_in_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16, rather than an
    emulation."""
    if device.type == "cuda":  # Colab's T4 only emulates it, slower than fp32
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and not BF16_FLAGS.isdisjoint(cpu_flags())


def cpu_flags() -> set[str]:
    """What the processor says it can do, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return set()
    found = (line.partition(":") for line in lines)
    return {
        flag
        for name, _, flags in found
        if name.strip() in ("flags", "Features")
        for flag in flags.split()
    }


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for "bf16"; for "fp32" nothing. May be entered again and
    again."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
