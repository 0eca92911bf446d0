"""Training on a GPU: images a second of each network beside timm's and torchvision's.

All run in the same process in turns, in bfloat16, channels_last, with fused SGD, on images that are
on the device. The records of the book's experiment on speed are made elsewhere, by
``cnnbook experiment``.
"""

from __future__ import annotations

import importlib.util

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from benchmarks import _harness
from cnnbook import models
from cnnbook.training.recipe import main_logits

BATCH = 256
STEPS = 10
# Our name, and timm's where it has the network.
NETWORKS = {
    "alexnet": None, "vgg16": "vgg16", "googlenet": None, "resnet18": "resnet18",
    "resnet50": "resnet50", "resnet152": "resnet152", "resnext50_32x4d": "resnext50_32x4d",
}  # fmt: skip
A100 = 2470  # images/s of ResNet-50, NVIDIA's published figure for one A100 with mixed precision
MLPERF = 7000  # images/s a GPU, MLPerf Training 3.0 on H100


def epoch(model: nn.Module, images: torch.Tensor, labels: torch.Tensor):
    """A call that takes `STEPS` steps and waits for the last."""
    model.cuda().to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)

    def steps() -> None:
        for _ in range(STEPS):
            with torch.autocast("cuda", torch.bfloat16):
                logits = main_logits(model(images))
            loss = F.cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        torch.cuda.synchronize()

    return steps


def candidates(name: str) -> dict[str, nn.Module]:
    found = {"cnnbook": models.create(name)}
    found["torchvision"] = torchvision.models.get_model(name)
    if NETWORKS[name] and importlib.util.find_spec("timm"):
        import timm

        found["timm"] = timm.create_model(NETWORKS[name])
    if name == "resnet50":
        found["cnnbook, compiled"] = torch.compile(models.create(name))
    return found


def measure(report: _harness.Report, quick: bool) -> None:
    if not torch.cuda.is_available():
        _harness.not_run("there is no CUDA device")
    images = torch.randn(BATCH, 3, 224, 224, device="cuda")
    images = images.to(memory_format=torch.channels_last)
    labels = torch.randint(1000, (BATCH,), device="cuda")
    for name in ("resnet50",) if quick else NETWORKS:
        calls = {who: epoch(model, images, labels) for who, model in candidates(name).items()}
        seconds = _harness.take_turns(calls, 2 if quick else _harness.ROUNDS)
        for who, spent in seconds.items():
            gain = _harness.ratios(spent, seconds["cnnbook"])
            speed = _harness.Spread.of([BATCH * STEPS / s for s in spent])
            report.rows.append({"network": name, "of": who, "images/s": speed, "ours to it": gain})
            if who in ("timm", "torchvision"):
                report.goal(f"{name}, ours to {who}'s, images/s", gain.median, 1, True)
            if (name, who) == ("resnet50", "cnnbook, compiled"):
                report.goal("ResNet-50, images/s", speed.median, A100, True)
                row = {"ResNet-50, compiled": "share of MLPerf on H100"}
                report.rows.append(row | {"share": speed.median / MLPERF})
        del calls
        torch.cuda.empty_cache()


if __name__ == "__main__":
    _harness.main("gpu", measure)
