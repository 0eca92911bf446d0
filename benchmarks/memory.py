"""The memory of a training step: `cnnbook.profile(training=True)` against torch's MemTracker.

`torch.distributed._tools.mem_tracker.MemTracker` follows the storages of a step that runs on fake
tensors, forward, backward and optimiser. Of each of torchvision's classifiers the peak of a step in
32-bit floats is compared, with momentum, and the time that either takes to say it. Ours starts
cold, with nothing learnt from any network before, and is called again. The networks may be named:
``python -m benchmarks.memory resnet50 swin_t``.

`benchmarks/memory.md` has all 80 of them, and why the worst three differ.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings

import torch
import torchvision
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from benchmarks import _harness
from cnnbook import profile
from cnnbook.profiling.training import CALLS

BATCH = 8
OPTIONS = {name: {"init_weights": False} for name in ("googlenet", "inception_v3")}
CPU = torch.device("cpu")


def build(name: str) -> nn.Module:
    """The network in training mode, of shapes alone."""
    # RegNet's builder reads numbers off tensors, so that one needs values.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = torchvision.models.get_model(name, **OPTIONS.get(name, {}))
    return model.to("meta").train()


def side_of(name: str) -> int:
    """The side of the images that the network's weights were made for."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    crop = weights.transforms().crop_size
    return crop[0] if isinstance(crop, list) else crop


def step(model: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor) -> None:
    """A step whose loss is the sum of all outputs, auxiliary ones too."""
    out = model(images)
    outputs = [out] if isinstance(out, torch.Tensor) else list(out)
    del out
    loss = sum(each.sum() for each in outputs if each is not None)
    del outputs
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def by_tracker(name: str, side: int) -> float:
    """MemTracker's peak of the second step, in KB: the first makes the optimiser's state."""
    model = build(name)
    with FakeTensorMode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _with_memory(model)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, foreach=False)
        images = torch.empty(BATCH, 3, side, side)
        tracker = MemTracker()
        tracker.track_external(model, optimizer, images)
        with tracker:
            step(model, optimizer, images)
            tracker.reset_mod_stats()
            step(model, optimizer, images)
        return tracker.get_tracker_snapshot("peak")[CPU]["Total"] / 1024


def _with_memory(model: nn.Module) -> None:
    """Put tensors that seem to lie on the CPU in place of those on the meta device."""
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for own in (module._parameters, module._buffers):
            for key, old in own.items():
                if old is not None and id(old) not in made:
                    new = torch.zeros(old.shape, dtype=old.dtype)
                    made[id(old)] = nn.Parameter(new) if isinstance(old, nn.Parameter) else new
                own[key] = old if old is None else made[id(old)]


def compare(name: str) -> dict:
    model = build(name)
    side = getattr(model, "image_size", side_of(name))  # a ViT takes no other
    CALLS.clear()
    start = time.process_time()
    training = profile(model, (3, side, side), training=True).training
    ours, seconds = training.peak_kb(BATCH), time.process_time() - start
    start = time.process_time()
    profile(model, (3, side, side), training=True)
    again = time.process_time() - start
    start = time.process_time()
    theirs = by_tracker(name, side)
    tracked = time.process_time() - start
    return {
        "network": name, "side": side, "kept an image, KB": round(training.kept_kb),
        "ours, MB": ours / 1024, "MemTracker, MB": theirs / 1024,
        "difference, %": 100 * (ours / theirs - 1), "ours, s": seconds,
        "× faster": tracked / seconds, "× faster, again": tracked / again,
    }  # fmt: skip


def summary(report: _harness.Report) -> None:
    off = [abs(row["difference, %"]) for row in report.rows]
    report.goal("networks", len(off), 80, True)
    report.goal("median difference of the peak, %", statistics.median(off), 1)
    report.goal("largest difference of the peak, %", max(off), 5)
    for key, calls in (("× faster", "a first call"), ("× faster, again", "a second")):
        faster = statistics.median(row[key] for row in report.rows)
        report.goal(f"median ratio of MemTracker's time to that of {calls}", faster, 20, True)


def measure(report: _harness.Report, quick: bool) -> None:
    names = torchvision.models.list_models(module=torchvision.models)
    asked = [name for name in sys.argv[1:] if name in names]
    for name in asked or (["alexnet", "squeezenet1_1"] if quick else names):
        report.rows.append(compare(name))
        print(_harness.table(report.rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    if not quick:
        summary(report)


if __name__ == "__main__":
    _harness.main("memory", measure)
