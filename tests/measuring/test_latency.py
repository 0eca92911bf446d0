from __future__ import annotations

import json
import time

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnbook import models, profile
from cnnbook.measuring import NotEnoughMemory, latency, measure

SIZE = (3, 8, 8)


class Slow(nn.Module):
    """A known latency on the CPU, and everything that a careless measurement would change."""

    def __init__(self, seconds: float = 0.0):
        super().__init__()
        self.seconds = seconds
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, groups=2)
        self.dropout = nn.Dropout()
        self.fc = nn.Linear(6, 5)

    def forward(self, images):
        time.sleep(self.seconds)
        x = self.conv2(self.norm(self.conv1(images)))
        return self.fc(self.dropout(x.mean((2, 3))))


@pytest.mark.parametrize("training", [False, True])
def test_latency_and_what_follows_from_it(training):
    found = measure(Slow(0.02), SIZE, 4, device="cpu", training=training, min_seconds=0)
    assert 0.02 <= found.lower_quartile <= found.seconds <= found.upper_quartile < 1
    assert found.runs == latency.LEAST_RUNS
    assert found.images_per_second == 4 / found.seconds
    assert found.flops_per_second == found.flops / found.seconds
    assert (found.name, found.device, found.dtype, found.training) == (
        "Slow", "cpu", "float32", training,
    )  # fmt: skip
    assert found.threads == torch.get_num_threads()
    assert found.peak_memory is None


def test_calls_are_repeated_for_the_time_asked():
    found = measure(Slow(0.01), SIZE, device="cpu", min_seconds=0.2)
    assert 5 <= found.runs <= 20


def test_flops_of_inference_are_the_profile_s():
    flops = profile(Slow(), SIZE).total.flops
    assert measure(Slow(), SIZE, 4, "cpu", min_seconds=0).flops == 4 * flops


def test_flops_of_training_are_the_gradients_too():
    model = models.alexnet()
    found = measure(model, (3, 63, 63), 2, "cpu", training=True, min_seconds=0)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(2, 3, 63, 63)).sum().backward()
    assert found.flops == counter.get_total_flops() // 2


@pytest.mark.parametrize("training", [False, True])
def test_the_caller_s_network_and_random_numbers_are_unharmed(training):
    model = Slow().train(not training)
    model(torch.ones(2, *SIZE)).sum().backward()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [p.grad.clone() for p in model.parameters()]
    random_state = torch.get_rng_state()
    measure(model, SIZE, 2, "cpu", training, channels_last=True, dtype="bfloat16", min_seconds=0)
    assert model.training is not training
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    pairs = zip(model.parameters(), gradients, strict=True)
    assert all(torch.equal(p.grad, gradient) for p, gradient in pairs)
    assert torch.equal(torch.get_rng_state(), random_state)


def test_precision_and_layout_reach_the_network():
    seen = []

    class Watching(Slow):
        def forward(self, images):
            last = images.is_contiguous(memory_format=torch.channels_last)
            if not images.is_meta:
                seen.append((images.dtype, self.conv1.weight.dtype, last))
            return super().forward(images)

    measure(Watching(), SIZE, 2, "cpu", dtype="bfloat16", channels_last=True, min_seconds=0)
    assert set(seen) == {(torch.bfloat16, torch.bfloat16, True)}


def test_auxiliary_heads_are_trained_too():
    class TwoHeads(Slow):
        def forward(self, images):
            logits = super().forward(images)
            return (logits, logits) if self.training else logits

    assert measure(TwoHeads(), SIZE, 2, "cpu", training=True, min_seconds=0).flops > 0


def test_a_gpu_is_waited_for_before_and_after_each_call(monkeypatch):
    events = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: events.append("wait"))
    monkeypatch.setattr(
        torch.cuda, "reset_peak_memory_stats", lambda device: events.append("reset")
    )
    seconds = latency._time(lambda: events.append("call"), torch.device("cuda"), 0)
    timed = ["wait", "call", "wait"] * len(seconds)
    assert events == ["call"] * latency.WARM_UP + ["reset"] + timed


def test_peak_memory_counts_what_the_measurement_added(monkeypatch):
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 700)
    assert latency._peak(torch.device("cuda"), before=300) == 400


SHORTAGES = [
    torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 1 PiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("error", SHORTAGES)
@pytest.mark.parametrize(
    ("most", "answer"), [(20, "; batch_size=16 fits"), (0, ", nor for a single one")]
)
def test_too_little_memory_names_a_batch_that_fits(error, most, answer, training):
    class Hungry(Slow):
        def forward(self, images):
            if not images.is_meta and len(images) > most:
                raise error
            return super().forward(images)

    with pytest.raises(NotEnoughMemory) as raised:
        measure(Hungry(), SIZE, 64, "cpu", training)
    message = f"cpu has not enough memory for a batch of 64 images 3×8×8{answer}"
    assert str(raised.value) == message
    if most:
        assert measure(Hungry(), SIZE, 16, "cpu", training, min_seconds=0).batch_size == 16


@pytest.mark.parametrize("batch_size", [10**12, 999_999_999_999_999_999])
def test_a_batch_beyond_all_memory(batch_size, monkeypatch):
    """What is tried then takes no more than an eighth of what is free."""
    per_image = profile(Slow(), SIZE).total.memory_kb * 1024
    monkeypatch.setattr(latency, "available_memory", lambda: 8 * 100 * per_image)
    with pytest.raises(NotEnoughMemory, match=r"; batch_size=\d\d fits$") as raised:
        measure(Slow(), SIZE, batch_size, "cpu")
    assert 50 <= int(str(raised.value).split("=")[1].split()[0]) <= 100


@pytest.mark.parametrize(
    "change, message",
    [
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"batch_size": 1.5}, "batch_size must be a positive integer, got 1.5"),
        ({"batch_size": True}, "batch_size must be a positive integer, got True"),
        ({"dtype": "fp8"}, "unknown dtype 'fp8'; there is float32, bfloat16, float16"),
        ({"device": "gpu"}, "no device 'gpu' here; there is auto, cpu"),
        ({"device": "meta"}, "no device 'meta' here"),
        ({"min_seconds": -1}, "min_seconds must be zero or a positive number, got -1"),
        ({"min_seconds": "1"}, "min_seconds must be zero or a positive number, got '1'"),
        ({"min_seconds": float("nan")}, "min_seconds must be zero or a positive number, got nan"),
        ({"input_size": (8, 8)}, "input_size must be three positive integers"),
        ({"input_size": (1, 8, 8)}, "'conv1' takes 3 channels, got 1"),
        ({"input_size": (3, 2, 2)}, "too small for Slow"),
        ({"model": "alexnet"}, "measure\\(\\) takes a torch.nn.Module, got str; models.create"),
        ({"model": Slow().to("meta")}, "the network has no weights"),
    ],
)
def test_wrong_input_is_one_line(change, message):
    arguments = {"model": Slow(), "input_size": SIZE, "device": "cpu"} | change
    with pytest.raises(ValueError, match=message) as raised:
        measure(**arguments)
    assert "\n" not in str(raised.value)


def test_text_and_dict():
    found = latency.Measurement(
        "Net", (3, 8, 8), 4, False, "GPU", None, "float32", 9, 0.002, 0.001, 0.003, 5 << 20, 10**9
    )
    assert str(found).splitlines() == [
        "Net on 4×3×8×8, inference",
        "  device       GPU, float32",
        "  latency      2.00 ms, the median of 9 runs (quartiles 1.00 to 3.00 ms)",
        "  throughput   2,000.0 images/s",
        "  arithmetic   500.0 billion multiply-adds/s",
        "  peak memory  5 MiB",
    ]
    on_cpu = measure(models.alexnet(), (3, 63, 63), device="cpu", min_seconds=0)
    assert "not measured: PyTorch counts a CUDA device's only" in str(on_cpu)
    assert "threads" in str(on_cpu)
    row = json.loads(json.dumps(on_cpu.to_dict()))
    assert row["images_per_second"] == on_cpu.images_per_second and row["input_size"] == [3, 63, 63]
