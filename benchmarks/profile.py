"""`cnnbook.profile` against the other tools that count a network's operations.

Each network is profiled by all of them in turns, built beforehand and from its name. A peer runs on
the meta device or on the CPU, wherever it is the faster for that network; only `fvcore`, whose
tracer fails on the meta device, has no choice. The total of each is shown beside ours with the
terms that make the difference, computed and compared exactly.

One goal is missed, one is met on some runs. On one core, medians of calls in turns:

- Ten times as fast as every peer: ShuffleNet is at 9.3 (1.8 ms; the nearest peer is ptflops, which
  has no receptive fields and no rows to keep), every other network with batch norm above 12.
  By cProfile a third of the time is the copy of its 205 modules, a quarter the rules of its 56
  convolutions, and a quarter its 93 calls that are no layers (`view`, `cat`, `transpose`,
  `contiguous`, `chunk`).
- At most 1.5 times the floor: AlexNet is at 1.48 to 1.55, VGG-16 and VGG-19 at 1.4, the rest under
  1. These three have few modules and nothing but layers, each with a row, a receptive field and a
  copied module, all of which the floor leaves out. AlexNet takes 0.18 ms, 0.04 of it for the copy.
"""

from __future__ import annotations

import contextlib
import io
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import nn

from benchmarks import _floor, _harness, _peers, _terms
from cnnbook import models, profile

SIZE = (3, 224, 224)
BOOK = (
    "alexnet", "vgg16", "vgg19", "googlenet", "resnet18", "resnet50", "resnet152",
    "resnext50_32x4d",
)  # fmt: skip
OTHERS = ("squeezenet1_1", "densenet121", "mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0")
WITHOUT_BATCH_NORM = ("alexnet", "vgg16", "vgg19", "squeezenet1_1")
COUNTED = ("torchinfo", "fvcore", "ptflops", "thop")  # of `Profile.as_counted_by`
DEPTHS = (10, 100, 1_000, 10_000)


def build(name: str, device: str) -> nn.Module:
    """torchvision's network; on the meta device no weights are drawn."""
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device(device):
        return torchvision.models.get_model(name, **options).eval()


def ours_from_name(name: str) -> None:
    if name not in BOOK:
        profile(build(name, "meta"), SIZE)
        return
    with torch.device("meta"):
        model = models.create(name)
    profile(model, SIZE)


def faster_device(peer: Callable, nets: dict[str, nn.Module]) -> str:
    """Where `peer` is the faster; "cpu" if it fails on the meta device."""
    seconds = {}
    for device, model in nets.items():
        image = torch.zeros((1, *SIZE), device=device)
        with contextlib.suppress(Exception):
            peer(model, image)
            start = time.perf_counter()
            peer(model, image)
            seconds[device] = time.perf_counter() - start
    return min(seconds, key=seconds.get)


def compare(report: _harness.Report, name: str, rounds: int) -> None:
    """Time all tools on one network, and explain their totals."""
    nets = {device: build(name, device) for device in ("cpu", "meta")}
    peers = _peers.here()
    on = {tool: faster_device(peer, nets) for tool, peer in peers.items()}
    images = {device: torch.zeros((1, *SIZE), device=device) for device in nets}

    built = {"cnnbook": lambda: profile(nets["cpu"], SIZE)}
    named = {"cnnbook": lambda: ours_from_name(name)}
    for tool, peer in peers.items():
        built[tool] = lambda peer=peer, d=on[tool]: peer(nets[d], images[d])
        named[tool] = lambda peer=peer, d=on[tool]: peer(build(name, d), images[d])
    built["floor"] = lambda: _floor.shapes_only(nets["cpu"], SIZE)
    built, named = _harness.take_turns(built, rounds), _harness.take_turns(named, rounds)

    found = profile(nets["cpu"], SIZE)
    ours = found.total.flops
    calls = _terms.calls_of(nets["meta"], SIZE)
    floor = _harness.ratios(built["cnnbook"], built.pop("floor"))
    for tool in built:
        difference = 0
        if tool in peers:
            difference = peers[tool](nets["cpu"], images["cpu"]) - ours
        terms = _terms.terms(tool, calls)
        report.rows.append(
            {
                "network": name,
                "tool": tool,
                "on": on.get(tool, "shapes"),
                "ms": 1e3 * _harness.Spread.of(built[tool]).median,
                "× ours": _harness.ratios(built[tool], built["cnnbook"]),
                "from name, ms": 1e3 * _harness.Spread.of(named[tool]).median,
                "from name, × ours": _harness.ratios(named[tool], named["cnnbook"]),
                "× floor": floor if tool == "cnnbook" else None,
                "total": ours + difference,
                "beyond ours": difference,
                "explained": sum(terms.values()) == difference,
                "as counted by": tool not in COUNTED
                or found.as_counted_by(tool) == ours + difference,
                "by": " + ".join(f"{count:,} ({term})" for term, count in terms.items()),
            }
        )


def depth(report: _harness.Report, rounds: int, depths: tuple[int, ...]) -> list[float]:
    """Microseconds a layer in a chain of so many convolutions."""
    each = []
    for layers in depths:
        with torch.device("meta"):
            chain = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(layers)))
        seconds = _harness.take_turns({"": lambda chain=chain: profile(chain, (8, 32, 32))}, rounds)
        spread = _harness.Spread.of([1e6 * s / layers for s in seconds[""]])
        report.rows.append({"layers": layers, "µs a layer": spread})
        each.append(spread.median)
    return each


def peak_memory(report: _harness.Report) -> list[float]:
    """MB that one profile of VGG-19 needs beside the network: Python's, and the process's."""
    model = build("vgg19", "cpu")
    profile(model, SIZE)
    tracemalloc.start()
    profile(model, SIZE)
    python = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    peaks = {"vgg19, peak MB": "Python's objects", "MB": python}
    report.rows.append(peaks)
    status = Path("/proc/self/status")
    if not status.exists():
        return [python]
    before = _kilobytes(status, "VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
    profile(model, SIZE)
    process = (_kilobytes(status, "VmHWM") - before) * 1024 / 1e6
    report.rows.append({"vgg19, peak MB": "the process", "MB": process})
    return [python, process]


def _kilobytes(status: Path, field: str) -> int:
    (line,) = (
        line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith(field)
    )
    return int(line.split()[1])


def goals(report: _harness.Report) -> None:
    rows = [row for row in report.rows if "tool" in row]
    peers = [row for row in rows if row["tool"] != "cnnbook"]
    plain = [r["× ours"].median for r in peers if r["network"] in WITHOUT_BATCH_NORM]
    normed = [r["× ours"].median for r in peers if r["network"] not in WITHOUT_BATCH_NORM]
    report.goal("slowest ratio to a peer, networks with batch norm", min(normed), 10, True)
    report.goal("slowest ratio to a peer, networks without", min(plain), 4, True)
    ours = [row for row in rows if row["tool"] == "cnnbook"]
    report.goal("largest ratio to the floor", max(r["× floor"].median for r in ours), 1.5)
    (deep,) = (row for row in ours if row["network"] == "resnet152")
    report.goal("ResNet-152 from its name, ms", deep["from name, ms"], 120)
    report.goal("differences that their terms do not explain", sum(
        not row["explained"] for row in rows
    ), 0)  # fmt: skip
    report.goal("totals of peers that as_counted_by does not give", sum(
        not row["as counted by"] for row in rows
    ), 0)  # fmt: skip


def measure(report: _harness.Report, quick: bool) -> None:
    warnings.simplefilter("ignore")  # peers' own, of functions that torch has renamed
    rounds = 2 if quick else _harness.ROUNDS
    for name in ("squeezenet1_1", "resnet18") if quick else BOOK + OTHERS:
        with contextlib.redirect_stdout(io.StringIO()):  # some peers print
            compare(report, name, rounds)
    each = depth(report, rounds, DEPTHS[:2] if quick else DEPTHS)
    peaks = peak_memory(report)
    if not quick:
        goals(report)
        report.goal("10,000 layers to 1,000, time a layer", each[-1] / each[-2], 1.2)
        report.goal("peak memory for VGG-19, MB", max(peaks), 10)


if __name__ == "__main__":
    _harness.main("profile", measure)
