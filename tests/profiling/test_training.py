"""The memory of a training step, against what autograd saves and by cases computed by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.distributed._tools.mem_tracker import MemTracker

from cnnbook import models, profile
from cnnbook.profiling import ProfileError


def saved_bytes(model: nn.Module, size: tuple[int, ...], batch: int, bf16: bool = False) -> int:
    """The distinct storages that autograd saves in a forward pass, without the model's own."""
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    saved = {}

    def pack(t):
        storage = t.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes(), t  # which keeps the address taken
        return t

    autocast = torch.autocast("cpu", torch.bfloat16, enabled=bf16)
    with saved_tensors_hooks(pack, lambda t: t), autocast:
        model.train()(torch.zeros(batch, *size))
    return sum(size for size, _ in saved.values())


# KB an image of a batch of 4, on a CPU; the statistics of batch norm, which do not grow with the
# batch, count in full for one image.
@pytest.mark.parametrize(
    "name, kept",
    [("alexnet", 3_654), ("resnet18", 21_669), ("convnext_tiny", 106_598), ("vit_b_16", 115_391)],
)
def test_what_torchvision_s_networks_keep(name, kept):
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    assert profile(model, training=True).training.kept_kb == pytest.approx(kept, rel=0.002)


class Parts(nn.Module):
    """One of each that treats storages in a way of its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.table = nn.Parameter(torch.zeros(1, 16, 8))
        self.line = nn.Linear(8, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)), inplace=True)  # in place: no storage of its own
        x = F.max_pool2d(x, 2) * self.scale + 1  # indices; a factor that is trained
        x = F.dropout(torch.cat([x, x.sigmoid()], 1), 0.5)[:, :8]  # a mask; a view
        x = x.flatten(2).transpose(1, 2) + self.table
        x = x + self.attend(x, x, x, need_weights=False)[0]
        y = x.clone()
        y[:, :2] = F.gelu(x[:, 2:4])
        return self.line(F.softmax(y @ y.transpose(1, 2), -1) @ y)


def test_each_storage_is_counted_once():
    model, size = Parts(), (3, 8, 8)
    two, three = (saved_bytes(model, size, batch) for batch in (2, 3))
    assert profile(model, size, training=True).training.kept_kb * 1024 == 2 * two - three


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "mobilenet_v3_small", "convnext_tiny"])
def test_what_autocast_keeps(name):
    """Halves of the activations, whole normalised ones, and a copy of each weight."""
    options = {"stochastic_depth_prob": 0.0} if name == "convnext_tiny" else {}
    model, size = torchvision.models.get_model(name, **options), (3, 64, 64)
    two, three = (saved_bytes(model, size, batch, bf16=True) for batch in (2, 3))
    found = profile(model, size, training=True, precision="bf16").training
    assert found.kept_kb * 1024 == 2 * two - three
    assert found.weights_kb == found.gradients_kb == profile(model, size).total.params * 4 / 1024


def test_a_gpu_normalises_in_whole_floats():
    model = nn.Sequential(nn.Conv2d(3, 8, 1, bias=False), nn.GroupNorm(1, 8, affine=False))
    kept = {
        device: profile(
            model, (3, 8, 8), training=True, device=device, precision="bf16"
        ).training.kept_kb * 1024
        for device in ("cpu", "cuda")
    }  # fmt: skip
    # What goes into the norm, 8 × 64 halves or the 32-bit copy of them, its mean and its deviation.
    assert kept["cuda"] - kept["cpu"] == (8 * 64 + 2) * 2


def test_by_hand():
    conv = nn.Conv2d(3, 4, 3, bias=False)
    model = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    p = profile(model, (3, 8, 8), training=True, optimizer="adamw")
    weights, image, relu = 4 * (108 + 290), 4 * 3 * 64, 4 * 144
    t = p.training
    assert t.weights_kb * 1024 == t.gradients_kb * 1024 == weights
    assert t.optimizer_kb == 2 * t.weights_kb
    assert t.kept_kb * 1024 == image + relu  # what the convolution and what both others keep
    assert [layer.kept_kb * 1024 for layer in p.layers] == [relu, 0]
    assert list(p.table.kept_kb) == [relu / 1024, 0]
    # The backward of the ReLU: image, its output, the gradients of it and of the convolution's;
    # weights, their states, and the gradients of the linear layer.
    peak = 100 * (image + 3 * relu) + 3 * weights + 4 * 290
    assert t.peak_kb(100) * 1024 == peak
    assert t.peak_moment(100) == "backward of 1"
    gib = peak / 2**30
    assert p.largest_batch(gib) == 100 and p.largest_batch(gib * 0.999) == 99
    assert p.largest_batch(1e-9) == 0


def test_a_gpu_s_dropout_mask_is_of_bytes():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout())
    kept = {
        device: profile(model, (3, 8, 8), training=True, device=device).training.kept_kb * 1024
        for device in ("cpu", "cuda")
    }
    assert kept["cpu"] - kept["cuda"] == 4 * 64 * 3


def test_frozen_layers_keep_nothing():
    model = models.resnet18()
    whole = profile(model, training=True).training
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.fc.weight.requires_grad_(True)
    head = profile(model, training=True).training
    assert head.gradients_kb == 4 * 512_000 / 1024
    assert head.kept_kb < whole.kept_kb / 1000


def test_the_model_is_left_alone():
    model = models.resnet18()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    profile(model, (3, 64, 64), training=True)
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_what_is_asked_wrongly():
    model = nn.Conv2d(3, 4, 3)
    with pytest.raises(ProfileError, match="optimizer is one of sgd, momentum, adam, adamw"):
        profile(model, (3, 8, 8), training=True, optimizer="lion")
    with pytest.raises(ProfileError, match="precision is fp32 or bf16, got 'fp16'"):
        profile(model, (3, 8, 8), training=True, precision="fp16")
    with pytest.raises(ProfileError, match="device is cpu or cuda"):
        profile(model, (3, 8, 8), training=True, device="tpu")
    with pytest.raises(ProfileError, match="training=True"):
        profile(model, (3, 8, 8)).largest_batch(8)
    with pytest.raises(ValueError, match="positive number of images"):
        profile(model, (3, 8, 8), training=True).training.peak_kb(0)


class Dense(nn.Module):
    """Each layer reads all before it, side by side: the gradients of those are slices of larger
    ones, and autograd adds to a slice by making a new tensor."""

    def __init__(self, layers: int):
        super().__init__()
        grow = range(3, 3 + 8 * layers, 8)
        self.layers = nn.ModuleList([nn.Conv2d(width, 8, 3, padding=1) for width in grow])

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x).relu()], 1)
        return x.mean((2, 3))


class Listed(Dense):
    def forward(self, x):
        parts = [x]
        for layer in self.layers:
            parts.append(layer(torch.cat(parts, 1)).relu())
        return torch.cat(parts, 1).mean((2, 3))


@pytest.mark.parametrize("kind", [Dense, Listed])
def test_the_peak_of_concatenations_is_that_of_torch_s_tracker(kind):
    batch, side = 8, 16
    with FakeTensorMode():
        model, images = kind(5), torch.zeros(batch, 3, side, side)
        tracker = MemTracker()
        tracker.track_external(model, images)
        with tracker:
            model(images).sum().backward()
        peak = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]
    found = profile(kind(5), (3, side, side), training=True, optimizer="sgd").training
    assert found.peak_kb(batch) * 1024 == peak - 8  # the loss and its gradient
