"""Networks as others write them: hooks, device moves, caches, compiled and scripted parts."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnbook import models, profile
from cnnbook.profiling import ProfileError


def counted(model: nn.Module, *size: int) -> int:
    """Multiply-adds by torch's own counter."""
    model = model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *size))
    return counter.get_total_flops() // 2


class Made(nn.Module):
    """Two convolutions, with `between` them, written as a function of (module, x)."""

    def __init__(self, between):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 2, 3)
        self.between = between

    def forward(self, x):
        return self.last(self.between(self, self.first(x)))


def test_hooks_that_a_forward_registers():
    class Collects(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3))
            self.head = nn.Conv2d(4, 2, 1)

        def forward(self, x):
            found = []
            hook = self.body[1].register_forward_hook(lambda m, i, out: found.append(out))
            self.body(x)
            hook.remove()
            return self.head(found[0])

    model = Collects()
    assert profile(model, (3, 8, 8)).total.flops == counted(model, 3, 8, 8)
    assert profile(model, (3, 8, 8)).layers[-1].output == (2, 6, 6)
    assert not model.body[1]._forward_hooks


def test_hooks_that_a_forward_relies_on():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 5, 3))
    seen = []

    def half(module, inputs, output):
        seen.append(output)
        return output[:, :2]

    model[1].register_forward_hook(half)
    found = profile(model, (3, 8, 8))
    assert seen == [] and len(model[1]._forward_hooks) == 1
    assert found.total.flops == counted(model, 3, 8, 8)


MOVES = {
    "to a weight's": lambda m, x: x.to(m.last.weight.device),
    "to a name": lambda m, x: x.to("cpu"),
    "by keyword": lambda m, x: x.to(device="cpu", dtype=torch.float32),
    "cpu": lambda m, x: x.cpu(),
    "made there": lambda m, x: x + torch.zeros(1, device=m.last.weight.device),
}


@pytest.mark.parametrize("how", MOVES)
def test_a_move_that_moves_nothing(how):
    plain = profile(Made(lambda m, x: x), (3, 8, 8))
    assert profile(Made(MOVES[how]), (3, 8, 8)).layers == plain.layers


@pytest.mark.parametrize("name, flops", [("vit_b_16", 17_563_828_224), ("swin_t", 4_490_566_656)])
@pytest.mark.parametrize("guard", [torch.inference_mode, torch.no_grad])
def test_without_gradients_inside(name, flops, guard):
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    forward = model.forward
    model.forward = guard()(lambda x: forward(x))
    assert profile(model).total.flops == flops


def doubled(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.conv2d(x, weight, None, [1, 1], [1, 1]).relu() * 2


with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # others' code still is scripted
    scripted = torch.jit.script(doubled)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient * 2


FORMS = {
    "add by name": lambda m, x: torch.add(x[:, :, :1], other=x),
    "mul by name": lambda m, x: torch.mul(input=x, other=x[:, :1]),
    "dim": lambda m, x: x - x.mean(dim=3, keepdim=True),
    "axis": lambda m, x: torch.mean(x, axis=2, keepdims=True).expand(-1, -1, 8, -1),
    "clamp by a tensor": lambda m, x: x.clamp(min=torch.zeros(4, 1, 1)),
    "unsqueeze_": lambda m, x: x.clone().unsqueeze_(2).squeeze(2),
    "complex abs": lambda m, x: torch.complex(x, x).abs(),
    "exp of integers": lambda m, x: x * torch.exp(torch.arange(8)),
    "adaptive_max_pool1d": lambda m, x: F.adaptive_max_pool1d(x.flatten(2), 64).view(1, 4, 8, 8),
    "matrix by vector": lambda m, x: x * torch.mv(x[0, 0], x[0, 0, 0]).view(1, 1, 8, 1),
    "linear by a vector": lambda m, x: x + F.linear(x, x.new_ones(8)).unsqueeze(-1),
    "scripted": lambda m, x: scripted(x, m.first.weight.repeat(1, 2, 1, 1)[:, :4]),
    "its own gradient": lambda m, x: Doubled.apply(x),
    "numpy's integers": lambda m, x: x.reshape(np.int64(1), 4, *map(np.int64, (8, 8))),
    "numpy's shape": lambda m, x: F.interpolate(x, size=tuple(np.array(x.shape[2:]) * 2)),
    "in place, by half": lambda m, x: F.relu(x, True) + x,
    "einsum": lambda m, x: torch.einsum("bchw,dc->bdhw", x, x.new_ones(4, 4)),
    "conv of one image": lambda m, x: F.conv2d(x[0], m.first.weight[:, :1].repeat(1, 4, 1, 1))[
        None
    ],
    "type": lambda m, x: x.double().float().type_as(x),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_functional_forms(name):
    model = Made(FORMS[name])
    found = profile(model, (3, 8, 8))
    out = model(torch.zeros(1, 3, 8, 8))
    assert found.layers[-1].output == tuple(out.shape[1:])
    assert found.total.flops == counted(model, 3, 8, 8)
    assert "unknown" not in found.layers[-1].sees


@pytest.mark.parametrize("size, field", [((60, 45), (29, 23)), ((30, 23), (14, 11))])
def test_windows_of_unequal_size(size, field):
    stem = [nn.Conv2d(3, 4, 3, 2, 1)] if size[0] == 60 else []
    channels = 4 if stem else 3
    model = nn.Sequential(*stem, nn.AdaptiveAvgPool2d(7), nn.Conv2d(channels, 2, 3, padding=1))
    assert profile(model, (3, *size)).layers[-1].receptive_field == field
    image = torch.zeros(1, 3, *size, requires_grad=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    model(image)[0, :, 3, 3].sum().backward()
    seen = image.grad[0].abs().sum(0) > 0
    assert (int(seen.any(1).sum()), int(seen.any(0).sum())) == field


def test_memory_where_windows_are_folded_into_the_batch():
    class Windows(nn.Module):
        """Four windows of 4 × 4 tokens, each mixed by itself."""

        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(3, 6, 2, 2)
            self.mix = nn.Linear(6, 5)

        def forward(self, x):
            x = self.embed(x).view(1, 6, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1)
            return self.mix(x.reshape(4, 16, 6))

    embed, mix = profile(Windows(), (3, 16, 16)).layers
    assert embed.memory_kb == 6 * 64 * 4 / 1024 and mix.memory_kb == 5 * 64 * 4 / 1024
    assert mix.output == (4, 16, 5)
    with torch.device("meta"):
        swin = torchvision.models.swin_t()
    (first, *_) = [layer for layer in profile(swin).layers if layer.name.endswith("qkv")]
    assert first.memory_kb == 3 * 96 * 56 * 56 * 4 / 1024


def test_memory_where_the_batch_is_not_first_or_is_not():
    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(3, 8, 4, 4)
            self.attend = nn.MultiheadAttention(8, 2)
            self.mix = nn.Linear(8, 8)

        def forward(self, x):
            x = self.embed(x[0])[None].flatten(2).permute(2, 0, 1)
            return self.mix(self.attend(x, x, x)[0])

    layers = profile(Sequence(), (3, 16, 16)).layers
    assert [layer.memory_kb * 1024 for layer in layers] == [4 * 8 * 16] * 3


def test_the_caller_s_things_stay_as_they_are():
    class State:
        def __init__(self):
            self.last = None

    class Remembers(nn.Module):
        def __init__(self):
            super().__init__()
            self.listed = [nn.Conv2d(3, 4, 3)]  # in no ModuleList
            self.cache, self.log, self.state = {}, [], State()
            self.note = self.log.append
            self.call = self.own

        def own(self, x):
            self.state.last = x
            return self.listed[0](x)

        def forward(self, x):
            x = self.cache.setdefault("x", self.call(x))
            self.note(x)
            self.count = len(self.log)
            return x

    model = Remembers()
    found = profile(model, (3, 8, 8))
    assert model.cache == {} and model.log == [] and model.state.last is None
    assert not hasattr(model, "count") and model.listed[0].training
    assert found.layers[0].output == (4, 6, 6)
    assert model(torch.ones(1, 3, 8, 8)).shape == (1, 4, 6, 6)


def test_other_threads_draw_their_own_numbers():
    class Draws(nn.Module):
        def forward(self, x):
            thread = threading.Thread(target=lambda: drawn.append(torch.rand(1)))
            thread.start()
            thread.join()
            return F.dropout(x + torch.rand(1), 0.5)

    drawn: list[torch.Tensor] = []
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    profile(Draws(), (3, 8, 8))
    assert [*drawn, torch.rand(1)] == [*expected]


def test_other_types():
    double = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).double()
    assert profile(double, (3, 8, 8)).layers == profile(double.float(), (3, 8, 8)).layers
    half = nn.LSTM(8, 4, batch_first=True).half()
    found = profile(half, inputs=((1, 5, 8),))
    assert found.layers[0].output == (5, 4)
    assert found.total.flops == 5 * (4 * 4 * 8 + 4 * 4 * 4)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.line = nn.Linear(5, 4)

    def forward(self, image, others):
        return self.conv(image["pixels"]) + self.line(others[0])[:, :, None, None]


def test_several_inputs():
    given = ({"pixels": (1, 3, 8, 8)}, [torch.zeros(1, 5)])
    found = profile(Two(), inputs=given)
    assert found.total.flops == 4 * 6 * 6 * 27 + 20
    assert profile(Two(), inputs={"image": given[0], "others": given[1]}) == found
    with pytest.raises(ProfileError, match=r"wants more than an image .*give them all"):
        profile(Two(), (3, 8, 8))
    with pytest.raises(ProfileError, match="holds one shape for each argument"):
        profile(Two(), inputs=(1, 3, 8, 8))


def test_compiled():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))
    plain = profile(model, (3, 8, 8))
    model.compile()
    assert profile(model, (3, 8, 8)) == plain
    assert model._compiled_call_impl is not None
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))
    inner[0] = torch.compile(inner[0])
    inner[1].forward = torch.compile(inner[1].forward)
    assert profile(inner, (3, 8, 8)) == plain


class Unbatched(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x[0])


REFUSED = {
    "conv1d on four dimensions": (nn.Conv1d(3, 4, 3), (3, 8, 8)),
    "bn of other channels": (nn.BatchNorm2d(4), (3, 8, 8)),
    "bn1d on four dimensions": (nn.BatchNorm1d(3), (3, 8, 8)),
    "pool padding": (nn.MaxPool2d(2, padding=2), (3, 8, 8)),
    "average pool padding": (nn.AvgPool2d(3, padding=2), (3, 8, 8)),
    "same with stride": (lambda x: F.conv2d(x, torch.ones(4, 3, 3, 3), None, 2, "same"), (3, 8, 8)),
    "stride 0": (nn.Conv2d(3, 4, 3, stride=0), (3, 8, 8)),
    "groups": (lambda x: F.conv2d(x, torch.ones(4, 1, 3, 3), groups=3), (3, 8, 8)),
    "bias": (lambda x: F.conv2d(x, torch.ones(4, 3, 3, 3), torch.ones(3)), (3, 8, 8)),
    "layer norm": (nn.LayerNorm(7), (3, 8, 8)),
    "group norm": (lambda x: F.group_norm(x, 2), (3, 8, 8)),
    "cat": (lambda x: torch.cat([x, x[..., :2]], 1), (3, 8, 8)),
    "sum": (lambda x: x + x[..., :2], (3, 8, 8)),
    "in place": (lambda x: x[..., :1].add_(x), (3, 8, 8)),
    "view": (lambda x: x.view(1, 5, -1), (3, 8, 8)),
    "matmul": (lambda x: x @ x[..., :3], (3, 8, 5)),
    "softmax": (lambda x: x.softmax(5), (3, 8, 8)),
    "dropout": (lambda x: F.dropout(x, 1.5), (3, 8, 8)),
    "types": (lambda x: F.conv2d(x, torch.ones(4, 3, 3, 3).double()), (3, 8, 8)),
    "transposed channels": (nn.ConvTranspose2d(4, 3, 3), (3, 8, 8)),
    "transposed channels of one image": (Unbatched(nn.ConvTranspose2d(4, 3, 3)), (3, 8, 8)),
    "transposed groups": (
        lambda x: F.conv_transpose2d(x, torch.ones(3, 4, 3, 3), groups=2), (3, 8, 8)),
    "transposed bias": (
        lambda x: F.conv_transpose2d(x, torch.ones(3, 4, 3, 3), torch.ones(3)), (3, 8, 8)),
    "transposed stride": (nn.ConvTranspose2d(3, 4, 3, stride=0), (3, 8, 8)),
    "transposed dilation": (nn.ConvTranspose2d(3, 4, 3, dilation=0), (3, 8, 8)),
    "transposed padding": (nn.ConvTranspose2d(3, 4, 3, padding=-1), (3, 8, 8)),
    "transposed types": (
        lambda x: F.conv_transpose2d(x, torch.ones(3, 4, 3, 3).double()), (3, 8, 8)),
    "dilation": (nn.Conv2d(3, 4, 3, dilation=0), (3, 8, 8)),
    "dilation of one image": (Unbatched(nn.Conv2d(3, 4, 3, dilation=0)), (3, 8, 8)),
    "padding": (nn.Conv2d(3, 4, 3, padding=-1), (3, 8, 8)),
    "no groups": (lambda x: F.conv2d(x, torch.ones(4, 3, 3, 3), groups=0), (3, 8, 8)),
    "pool stride": (nn.MaxPool2d(2, stride=0), (3, 8, 8)),
    "pool stride of one side": (nn.AvgPool2d(2, stride=(2, 0)), (3, 8, 8)),
    "pool divisor": (nn.AvgPool2d(2, divisor_override=0), (3, 8, 8)),
    "pool divisor of volumes": (
        lambda x: F.avg_pool3d(x[:, None], 2, divisor_override=0), (3, 8, 8)),
    "interpolate rows": (lambda x: F.interpolate(x[0, 0], scale_factor=2.0), (3, 8, 8)),
    "bmm": (lambda x: torch.bmm(x, x), (3, 8, 8)),
    "bmm of two matrices": (lambda x: torch.bmm(x[0, 0], x[0, 0]), (3, 8, 8)),
    "softmax of integers": (lambda x: x.long().softmax(1), (3, 8, 8)),
    "log softmax of integers": (lambda x: x + F.log_softmax(torch.arange(8), 0), (3, 8, 8)),
    "local response": (nn.LocalResponseNorm(0), (3, 8, 8)),
    "group norm of nothing": (lambda x: F.group_norm(x[:, :0], 3), (3, 8, 8)),
}  # fmt: skip


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses(name):
    part, size = REFUSED[name]
    model = Called(part) if callable(part) and not isinstance(part, nn.Module) else part
    with pytest.raises(Exception) as theirs:  # noqa: B017
        model.train()(torch.zeros(1, *size))
    assert not isinstance(theirs.value, ProfileError)
    with pytest.raises(ProfileError) as ours:
        profile(model, size, training=True)
    assert "\n" not in str(ours.value) and "ZeroDivisionError" not in str(ours.value)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(3), nn.GroupNorm(3, 3)])
def test_statistics_of_one_value(norm):
    """Torch refuses one image that is given as such; one that stands for a batch is many."""
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), norm)
    with pytest.raises(ProfileError, match="more than 1 value per channel"):
        profile(model, inputs=((1, 3, 8, 8),), training=True)
    profile(model, inputs=((2, 3, 8, 8),), training=True)
    assert profile(model, (3, 8, 8), training=True).total.params == 6
    small = profile(models.resnet18(), (3, 32, 32), training=True)  # 1×1 in the last stage
    assert small.total.flops == profile(models.resnet18(), (3, 32, 32)).total.flops
    assert small.training.kept_kb > 0


def test_errors_are_one_line_that_names_the_layer():
    class Patches(nn.Module):
        def forward(self, x):
            assert x.shape[2] == 224, f"Input height ({x.shape[2]}) doesn't match model (224)."
            return x

    vit = nn.Sequential()
    vit.patch_embed = Patches()
    with pytest.raises(ProfileError, match=r"layer 'patch_embed' refuses these images: .*384"):
        profile(vit, (3, 384, 384))
    with pytest.raises(ProfileError, match="too large"):
        profile(nn.Conv2d(3, 4, 3), (3, 10**9, 10**9 * 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = nn.Sequential(torch.ao.nn.quantized.Conv2d(3, 4, 3))
    with pytest.raises(ProfileError) as error:
        profile(quantised, (3, 8, 8))
    assert str(error.value).startswith("layer '0' is quantised")
    assert str(error.value).endswith("profile the network it was made of")
    with torch.device("meta"):
        detector = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
            weights=None, weights_backbone=None
        )
    with pytest.raises(ProfileError, match="asks for the values of an activation"):
        profile(detector)


def test_arguments_by_name_alone_are_asked_for_by_name():
    class Masked(nn.Module):
        def forward(self, image, *, mask):
            return image * mask

    with pytest.raises(ProfileError, match=r"'mask'.*by their names: profile\(model, inputs={"):
        profile(Masked(), (3, 8, 8))
    profile(Masked(), inputs={"image": (1, 3, 8, 8), "mask": (1, 1, 8, 8)})


def test_values_that_do_not_depend_on_the_image_can_be_read():
    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("steps", torch.arange(4))

        def forward(self, x):
            mask = torch.ones(4, dtype=torch.bool)
            mask[0] = False
            if mask.all() or int(self.steps[3]) != 3:
                return x
            return F.max_pool2d(x, torch.linspace(1, 4, 4)[1].int().item())

    (row,) = profile(Looks(), (3, 8, 8)).layers
    assert row.output == (3, 4, 4)


class Rolled(nn.Module):
    """Windows that are rolled and padded by nothing, as Swin's are, after tokens have lost rows."""

    def __init__(self, shifts, dims):
        super().__init__()
        self.patch, self.shifts, self.dims = nn.Conv2d(3, 4, 4, 4), shifts, dims
        self.mix = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        x = x + F.pad(torch.roll(x, self.shifts, self.dims), (0, 0, 0, 0, 0, 0))
        return self.mix(x.permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    "shifts, dims", [((0, 0), (1, 2)), ((0, -4), (1, 2)), (-4, 1), ((1,), (3,)), ((2, 4), (-3, 2))]
)
def test_a_roll_s_field(shifts, dims):
    """Held against gradients: of the rows of the image, which does the middle output see?"""
    model = Rolled(shifts, dims).double()
    layer = profile(model, (3, 32, 32)).layers[-1]
    image = torch.zeros(1, 3, 32, 32, dtype=torch.double, requires_grad=True)
    model(image)[0, :, 4, 4].sum().backward()
    seen = image.grad.abs().sum((0, 1)) > 0
    rows, columns = seen.any(1).nonzero().ravel(), seen.any(0).nonzero().ravel()
    by_gradient = tuple(int(each.max() - each.min()) + 1 for each in (rows, columns))
    assert layer.sees == "exact"
    found = layer.receptive_field
    found = found if isinstance(found, tuple) else (found, found)
    assert found == by_gradient
