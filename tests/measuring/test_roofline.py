from __future__ import annotations

import time

import torch
from torch import nn

from cnnbook import models, profile
from cnnbook.measuring import roofline
from cnnbook.measuring.roofline import PUBLISHED, peak_bandwidth, peak_operations, traffic

CPU = torch.device("cpu")


def test_traffic_counted_by_hand():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    weights = 3 * 4 * 9 + 4 + 144 * 5 + 5
    p = profile(net, (3, 8, 8))
    one = 3 * 8 * 8 + 2 * (4 * 6 * 6) + 2 * 5
    assert traffic(p) == 4 * (one + weights)
    assert traffic(p, 16) == 4 * (16 * one + weights)
    assert traffic(p, 16, itemsize=2, training=True) == 3 * 2 * (16 * one + weights)


def test_heads_that_do_not_run_are_not_read():
    with torch.device("meta"):
        network = models.googlenet()
    p, trained = profile(network), profile(network, training=True)
    assert p.not_run and not trained.not_run
    assert traffic(trained) - traffic(p) > 4 * sum(p.not_run.values())


def test_a_known_device_has_its_data_sheet_s_peak(monkeypatch):
    peak_operations.cache_clear(), peak_bandwidth.cache_clear()
    monkeypatch.setattr(roofline, "device_name", lambda device: "NVIDIA H100 80GB HBM3")
    gpu = torch.device("cuda", 7)
    assert peak_operations(gpu, "bfloat16") == (
        989e12, "NVIDIA's H100 data sheet, SXM: bfloat16, dense",
    )  # fmt: skip
    assert peak_operations(gpu, "float32").rate == 67e12
    assert peak_bandwidth(gpu) == (3.35e12, "NVIDIA's H100 data sheet, SXM")
    peak_operations.cache_clear(), peak_bandwidth.cache_clear()


def test_the_table_of_data_sheets_is_in_order():
    for rates, bandwidth, sheet in PUBLISHED.values():
        assert 5e12 < rates["float32"] < rates["float16"] < 2e15
        assert 1e11 < bandwidth < 1e13 and "data sheet" in sheet


def test_any_other_device_is_measured(monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.3)
    a, conv = torch.randn(512, 512), nn.Conv2d(256, 256, 3, padding=1)
    peak_bandwidth.cache_clear()
    bandwidth = peak_bandwidth(CPU)
    for _ in range(5):  # what else runs here can only make the peak seem lower
        peak_operations.cache_clear()
        peak, seen = peak_operations(CPU), []
        for call, operations in (
            (lambda: a @ a, 2 * 512**3),
            (lambda: conv(torch.zeros(1, 256, 56, 56)), 2 * 56**2 * 256**2 * 9),
        ):
            start = time.perf_counter()
            call()
            seen.append(operations / (time.perf_counter() - start))
        if peak.rate > 0.5 * max(seen):
            break
    assert peak.rate > 0.5 * max(seen)
    assert peak.source in (
        "measured: a 1024×1024 matrix product in float32",
        "measured: a 3×3 convolution of 256 channels, 56×56, in float32",
    )
    assert bandwidth.source.startswith("measured: a copy of 256 MiB")
    assert 1e8 < bandwidth.rate < peak.rate
    assert peak_operations(CPU) is peak  # measured once
    peak_operations.cache_clear(), peak_bandwidth.cache_clear()


def test_the_quickest_call_counts(monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0)
    moments = iter([0.0, 0.0, 1.0, 5.0, 6.0])  # before all, then around each of the calls
    monkeypatch.setattr(roofline.time, "perf_counter", lambda: next(moments))
    calls = iter("a")
    assert roofline._shortest(lambda: next(calls), CPU) == 4.0  # one call is enough
