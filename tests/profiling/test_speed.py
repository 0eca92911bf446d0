"""How fast a profile is, as ratios within one run: machines are shared and noisy."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
import torchinfo
import torchvision
from torch.overrides import TorchFunctionMode

from cnnbook import profile

ROUNDS = 9


class ShapesOnly(TorchFunctionMode):
    """The cheapest pass that still visits every layer of a ResNet: output sizes and no more."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.conv2d:
            x, weight, _, stride, padding, dilation, _ = args
            sizes = [
                (n + 2 * p - d * (k - 1) - 1) // s + 1
                for n, p, d, k, s in zip(
                    x.shape[2:], padding, dilation, weight.shape[2:], stride, strict=True
                )
            ]
            return torch.empty((1, weight.shape[0], *sizes), device="meta")
        if func in (F.batch_norm, F.relu, torch.Tensor.__iadd__):
            return args[0]
        if func is F.linear:
            return torch.empty((1, args[1].shape[0]), device="meta")
        return func(*args, **(kwargs or {}))


def least(*calls) -> list[float]:
    """The least seconds of each of `calls`, which take turns; what else runs here only adds."""
    times = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, spent in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            spent.append(time.perf_counter() - start)
    return [min(spent) for spent in times]


def test_resnet152_against_torchinfo_and_the_cheapest_pass():
    model = torchvision.models.resnet152().eval()
    with torch.device("meta"):  # torchinfo would move the model there
        on_meta, image = torchvision.models.resnet152().eval(), torch.empty(1, 3, 224, 224)

    def shapes_only():
        with torch.no_grad(), ShapesOnly():
            model(image)

    def theirs():
        torchinfo.summary(on_meta, (1, 3, 224, 224), device="meta", verbose=0)

    profile(model), shapes_only(), theirs()  # first calls import and fill caches
    ours, floor, torchinfo_s = least(lambda: profile(model), shapes_only, theirs)
    print(f"torchinfo/ours {torchinfo_s / ours:.1f}, ours/cheapest {ours / floor:.2f}")
    assert torchinfo_s >= 8 * ours
    assert ours <= 2 * floor
