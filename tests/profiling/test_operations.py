"""Every operation against torch itself, on random arguments: shapes, counts, and what is seen."""

from __future__ import annotations

import collections
import contextlib
import itertools
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import get_testing_overrides, resolve_name
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from cnnbook import profile
from cnnbook.profiling import ProfileError, primitives, rules, shapes
from cnnbook.profiling.profile import _image

GRAPHS = 2_000
STEPS = 4


def steps(draw: random.Random, x: torch.Tensor):
    """A random operation that a tensor of this shape may, or may not, bear."""
    n = x.dim()
    dim, other = draw.randrange(-n, n), draw.randrange(-n, n)
    size, k = x.shape[dim], draw.choice((1, 2, 3))
    pad, stride, channels = draw.choice((0, 1)), draw.choice((1, 2)), x.shape[1] if n > 1 else 1
    order, mode = draw.sample(range(n), n), draw.choice(("nearest", "bilinear"))
    edge = draw.choice(("constant", "replicate"))
    return draw.choice([
        lambda x: F.conv2d(x, x.new_ones(4, channels, k, k), None, stride, pad),
        lambda x: F.conv_transpose2d(x, x.new_ones(channels, 3, k, k), None, stride),
        lambda x: F.conv1d(x, x.new_ones(2, channels, k), padding="same"),
        lambda x: F.linear(x, x.new_ones(3, x.shape[-1])),
        lambda x: F.max_pool2d(x, k, stride, pad, ceil_mode=bool(pad)),
        lambda x: F.avg_pool2d(x, k, padding=pad),
        lambda x: F.adaptive_avg_pool2d(x, (k, None)),
        lambda x: F.interpolate(x, scale_factor=2, mode=mode),
        lambda x: F.pad(x, (pad, k, 0, stride), edge),
        lambda x: F.unfold(x, k, padding=pad),
        lambda x: F.pixel_shuffle(x, 2),
        lambda x: torch.relu(x) + 1,
        lambda x: 1 - x,
        lambda x: x.pow(2).add_(x),
        lambda x: x * x.mean(dim, keepdim=True),
        lambda x: x.sum((dim, other)),
        lambda x: x.amax(dim=dim, keepdim=bool(pad)),
        lambda x: x.softmax(dim),
        lambda x: F.layer_norm(x, x.shape[-k:]),
        lambda x: F.group_norm(x, k),
        lambda x: x.permute(*order),
        lambda x: x.transpose(dim, other).contiguous(),
        lambda x: x.flatten(dim, other),
        lambda x: x.reshape(x.shape[0], -1, k),
        lambda x: x.unsqueeze(dim).squeeze(other),
        lambda x: torch.stack([x, x], dim),
        lambda x: torch.cat([x, x * 2], dim),
        lambda x: x.chunk(k, dim)[-1],
        lambda x: x.split(max(1, size // k), dim)[0],
        lambda x: x.unbind(dim)[0],
        lambda x: x.roll(k, dim).flip(other),
        lambda x: x.narrow(dim, 0, k),
        lambda x: x[:, k:],
        lambda x: x[..., ::stride, pad],
        lambda x: x[None, ..., 0],
        lambda x: x.index_select(dim, torch.arange(size).flip(0)[::stride]),
        lambda x: torch.where(x > 0, x, 0.0),
        lambda x: x @ x.transpose(-1, -2),
        lambda x: torch.einsum("b...c,dc->b...d", x, x.new_ones(3, x.shape[-1])),
        lambda x: x.expand_as(x).repeat(*([1] * (n - 1)), 2),
        lambda x: x.clamp(min=0).to(torch.float32),
        lambda x: F.normalize(x, dim=dim),
        lambda x: x * torch.pow(100, torch.arange(x.shape[-1]) / 2),
        lambda x: x.kthvalue(1).values,
        lambda x: torch.randn(x.shape).mul_(2).add_(x),
        lambda x: x.std(dim, keepdim=True),
    ])  # fmt: skip


class Chain(nn.Module):
    def __init__(self, parts):
        super().__init__()
        self.parts = parts

    def forward(self, x):
        for part in self.parts:
            x = part(x)
        return x


@pytest.mark.filterwarnings("ignore::UserWarning")  # else what torch warns of is refused
@pytest.mark.parametrize("seed", range(10))
def test_random_graphs(seed):
    draw = random.Random(seed)
    for graph in range(GRAPHS // 10):
        size = (4, draw.choice((4, 6, 8)), draw.choice((4, 6, 8)))
        x, parts = torch.rand(1, *size), []
        refused = False
        while len(parts) < STEPS and x.dim() and x.numel() < 20_000 and not refused:
            part = steps(draw, x)
            parts.append(part)
            try:
                x = part(x)
            except Exception:  # whatever torch says no with
                refused = True
        check(Chain(parts), size, refused, f"seed {seed}, graph {graph}")


def check(model: nn.Module, size: tuple[int, ...], refused: bool, which: str) -> None:
    """A last row tells the shape; where torch refuses, so does the profile."""
    if refused:  # this one image: what it refuses of one it may take of many
        with pytest.raises(ProfileError):
            profile(model, inputs=((1, *size),))
            pytest.fail(f"{which}: torch refuses it")
        return
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        out = model(torch.rand(1, *size))
    model.parts.append(lambda x: F.max_pool1d(x.reshape(1, *x.shape, 1).flatten(0, -2)[None], 1))
    try:
        found = profile(model, size)
    except ProfileError as error:
        raise AssertionError(f"{which}: {error}") from (error.__cause__ or error)
    assert found.total.flops * 2 == counter.get_total_flops(), which
    assert found.layers[-1].memory_kb * 1024 == 4 * out.numel(), which
    assert not found.layers[-1].sees.startswith("unknown"), f"{which}: {found.layers[-1].sees}"


def seen_by_gradient(function, size=(1, 2, 24, 24)) -> tuple[int, int]:
    """The rows and columns of pixels that reach the middle output."""
    image = torch.rand(size, dtype=torch.double, requires_grad=True)
    out = function(image)
    out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum().backward()
    seen = image.grad[0].abs().sum(0) > 0
    return int(seen.any(1).sum()), int(seen.any(0).sum())


def box(x: torch.Tensor, k: int) -> torch.Tensor:
    """A convolution of all channels, k × k."""
    return F.conv2d(x, x.new_ones(x.shape[1], x.shape[1], k, k), padding=k // 2)


def in_place(x):
    y = box(x, 3) * 1
    return y.add_(box(y * 1, 9))


def by_channels(x):
    y = box(x, 3) * 1
    y[:, :1] = box(x, 11)[:, :1]
    return y


def through_a_view(x):
    y = box(x, 3) * 1
    y[:, :1].add_(box(x, 7)[:, :1])
    return y


def untouched(x):
    x = box(x, 3)
    y = torch.relu(x)
    y.add_(box(x, 9))
    return x


def in_windows(x):
    """Four pixels by four, mixed among themselves."""
    n = x.shape[2] // 4
    parts = x.reshape(1, 2, n, 4, n, 4).permute(0, 2, 4, 1, 3, 5).reshape(n * n, 2, 16)
    parts = parts @ parts.new_ones(16, 16)
    return parts.view(1, n, n, 2, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)


def by_attention(x):
    """The same windows, mixed by attention."""
    n = x.shape[2] // 4
    parts = x.reshape(1, 2, n, 4, n, 4).permute(0, 2, 4, 3, 5, 1).reshape(n * n, 16, 2)
    parts = (parts @ parts.mT)[:, None].softmax(-1)[:, 0] @ parts
    return parts.view(1, n, n, 4, 4, 2).permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


def merged(x):
    """Two pixels by two, beside each other as channels."""
    n = x.shape[2] // 2
    parts = x.view(1, 2, n, 2, n, 2).permute(0, 2, 4, 3, 5, 1).flatten(3)
    return (parts @ parts.new_ones(8, 2)).permute(0, 3, 1, 2)


def written(view):
    """A near field, with a wide one written to a view of it."""

    def function(x):
        near, wide = box(x, 3) * 1, box(x, 11)
        view(near).add_(view(wide))
        return near

    return function


def set_in_steps(x):
    y = box(x, 3) * 1
    y[:, ::2] = box(x, 11)[:, ::2]
    y[:, :, 1::2] += box(x, 7)[:, :, 1::2]
    return y


def copied_to_a_channel(x):
    y = box(x, 3) * 1
    y.select(1, 0).copy_(box(x, 11)[:, 0])
    return y


def around(x):
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="circular"), x.new_ones(2, 2, 5, 5))


# Each is followed by a convolution of one pixel, whose row is compared.
FIELDS = {
    "written to a channel": (written(lambda y: y[:, 0]), 11),
    "written in steps": (written(lambda y: y[:, :, ::2]), 11),
    "written beside the middle": (written(lambda y: y[:, :, 1::2]), 3),
    "written as one row": (written(lambda y: y.view(1, 2, -1)), 11),
    "written to a part of a view": (written(lambda y: y.view(1, 2, 12, 2, 24)[:, :, :, 0]), 11),
    "written with channels last": (written(lambda y: y.permute(0, 2, 3, 1)), 11),
    "written across": (written(lambda y: y.mT[:, :, ::2]), 11),
    "written to a diagonal": (written(lambda y: y.diagonal(dim1=2, dim2=3)), 11),
    "set in steps": (set_in_steps, 11),
    "copied to a channel": (copied_to_a_channel, 11),
    "around the edge": (around, 5),
    "mapped": (lambda x: torch.vmap(lambda t: t * 2)(box(x, 3)), 3),
    "mapped convolutions": (lambda x: torch.vmap(lambda t: box(t[None], 3)[0])(box(x, 3)), 5),
    "mapped over channels": (
        lambda x: torch.vmap(lambda t: box(t[:, None], 3)[:, 0], in_dims=1, out_dims=1)(x), 3),
    "a mirror image": (lambda x: box(box(x, 3).flip(2).flip(2), 3), 5),
    "in place": (in_place, 11),
    "by channels": (by_channels, 11),
    "through a view": (through_a_view, 7),
    "what is left alone": (untouched, 3),
    "windows": (in_windows, 4),
    "attention": (by_attention, 4),
    "merged": (merged, 2),
    "windows, then a window": (lambda x: box(in_windows(x), 3), 8),
    "windows, in a frame of sevens": (
        lambda x: box(F.pad(in_windows(x), (0, 1, 0, 1), value=7.0), 3)[..., :-1, :-1], 8),
    "unbind and stack": (lambda x: torch.stack(box(x, 5).unbind(1), 1), 5),
    "pixel shuffle": (lambda x: F.pixel_shuffle(torch.cat([box(x, 3)] * 2, 1), 2), 3),
    "one minus": (lambda x: 1 - box(x, 3).pow(2), 3),
    "where": (lambda x: torch.where(x < 2, box(x, 3), x), 3),
    "upsampling": (lambda x: box(F.interpolate(box(x, 3), scale_factor=2.0), 3), None),
    "bilinear": (lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), None),
    "transposed": (lambda x: F.conv_transpose2d(x, x.new_ones(2, 2, 4, 4), None, 2, 1), None),
    "unfold": (lambda x: F.unfold(x, 3, padding=1).view(1, 18, 24, 24), 3),
    "windows that overlap": (
        lambda x: box(x, 3).unfold(2, 5, 1).unfold(3, 3, 1).sum((-2, -1)), None),
    "windows of windows": (
        lambda x: box(x, 3).unfold(2, 4, 2).unfold(3, 4, 2).sum((-2, -1)), 6),
    "unfold and fold": (lambda x: F.fold(F.unfold(box(x, 3), 3, padding=1), 24, 3, padding=1), 3),
    "patches, mixed and folded": (
        lambda x: F.fold(x.new_ones(18, 18) @ F.unfold(x, 3, padding=1), 24, 3, padding=1), 5),
    "patches, every second": (
        lambda x: F.fold(x.new_ones(32, 32) @ F.unfold(x, 4, stride=2, padding=1), 24, 4,
                         stride=2, padding=1), None),
    "einsum": (lambda x: torch.einsum("bchw,dc->bdhw", box(x, 3), x.new_ones(2, 2)), 3),
    "channels last": (lambda x: F.linear(box(x, 3).permute(0, 2, 3, 1), x.new_ones(2, 2))
                      .permute(0, 3, 1, 2), 3),
    "roll": (lambda x: box(x.roll(2, 2), 3), 3),
    "adaptive": (lambda x: box(F.adaptive_avg_pool2d(box(x, 3), 7), 3), None),
    "a maximum and its place": (lambda x: box(x, 3) + x.max(1, keepdim=True).values, 3),
    "the largest of channels": (lambda x: box(x, 3).topk(1, dim=1).values, 3),
    "everything": (lambda x: x + x.mean((2, 3), keepdim=True), 24),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_receptive_field_is_that_of_the_gradient(name):
    function, side = FIELDS[name]
    measured = seen_by_gradient(function)
    assert side is None or measured == (side, side)
    field, sees = profiled_field(function)
    assert field == measured
    assert sees == ("whole image" if name == "everything" else "exact")


def profiled_field(function) -> tuple[tuple[int, int], str]:
    def ended(x):
        y = function(x)
        return F.conv2d(y, y.new_ones(1, y.shape[1], 1, 1))

    last = profile(Chain([ended]), (2, 24, 24)).layers[-1]
    field = last.receptive_field
    return ((field, field) if isinstance(field, int) else field), last.sees


REPEATED = sorted(FIELDS.keys() - {"merged", "unfold", "pixel shuffle", "adaptive", "where"})


@pytest.mark.parametrize("name", REPEATED)
def test_receptive_field_of_three_in_a_row(name):
    function, _ = FIELDS[name]

    def thrice(x):
        return function(function(function(x)))

    field, _ = profiled_field(thrice)
    assert tuple(min(24, side) for side in field) == seen_by_gradient(thrice)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_remembered_is_what_would_be_found(seed, monkeypatch):
    draw, graphs, twice = random.Random(f"twice {seed}"), 40, []
    for _ in range(graphs):
        x, parts = torch.rand(1, 4, 8, 8), []
        while len(parts) < 3 and x.dim() and x.numel() < 20_000:
            part = steps(draw, x)
            try:
                x = part(x)
            except Exception:  # whatever torch says no with
                continue
            parts.append(part)
        image_first = [lambda x, parts=parts: sum(Chain(parts)(x).sum() for _ in range(3))]
        twice.append(Chain(image_first))
    remembered = [profile(model, (4, 8, 8)) for model in twice]
    monkeypatch.setattr(shapes, "key_of", lambda *call: None)
    found = [profile(model, (4, 8, 8)) for model in twice]
    assert found == remembered
    assert [one.calls for one in found] == [one.calls for one in remembered]


def test_a_token_that_sees_nothing_yet():
    class Tokens(nn.Module):
        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)
            tokens = tokens + tokens.mean(1, keepdim=True)
            tokens = torch.cat([torch.zeros(1, 1, 4), tokens], 1)
            first = F.linear(tokens[:, 0], torch.ones(3, 4))
            return first + F.linear(tokens.sum(1), torch.ones(3, 4))

    first, all_of_them = profile(Tokens(), (4, 6, 8)).layers
    assert (first.receptive_field, first.sees) == (None, "nothing")
    assert (all_of_them.receptive_field, all_of_them.sees) == ((6, 8), "whole image")


def test_channels_of_zeros_leave_windows_of_unequal_size_as_they_are():
    def field(channels):
        pooled = [lambda x: F.adaptive_avg_pool2d(x, 7)]
        padded = [lambda x: F.pad(x, (0, 0, 0, 0, 0, channels)), lambda x: F.max_pool2d(x, 1)]
        return profile(Chain(pooled + padded), (2, 24, 24)).layers[-1].receptive_field

    # The window in the middle is 4 long, the widest is 5.
    assert field(0) == field(9) == 4


# A call must not be answered as one that only looks like it.


class Windows(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("p", torch.tensor(3))
        self.register_buffer("q", torch.tensor(9))

    def forward(self, x):
        where = x.flatten(2).mean(1).topk(4).indices[0] % 2
        a, b = x[0, where, self.p :], x[0, where, self.q :]
        return F.conv2d(a[None], a.new_ones(1, 4, 1, 1)), F.conv2d(b[None], b.new_ones(1, 4, 1, 1))


def test_what_a_slice_begins_with_is_a_part_of_the_call():
    assert [row.output for row in profile(Windows(), (2, 24, 24)).layers] == [
        (1, 21, 24), (1, 15, 24),
    ]  # fmt: skip


Pair = collections.namedtuple("Pair", "a b")


def stacked_again(x):
    pair = Pair(x * 1, x * 2)
    torch.stack(pair, 1)
    pair.a.add_(box(x, 5))
    return torch.stack(pair, 1)[:, 0]


def in_place_of_nothing(x):
    y = torch.randn(x.shape).mul_(2)
    return F.relu(y, inplace=True).add_(box(x, 3))


def through_a_view_of_nothing(x):
    for _ in range(2):
        y = torch.randn(x.shape)
        y.transpose(2, 3).add_(x.mT)
    return y


def by_a_vector(x):
    return (x.flatten(2).mT @ x.new_ones(2)).view(1, 1, 24, 24)


def beside_zeros(x):
    return box(torch.cat([x.new_zeros(1, 2, 24, 1), x], 3), 3)[..., 1:]


@pytest.mark.parametrize(
    "function",
    [stacked_again, in_place_of_nothing, through_a_view_of_nothing, by_a_vector, beside_zeros],
)
def test_fields_where_a_call_only_looks_alike_or_sees_nothing(function):
    field, sees = profiled_field(function)
    assert field == seen_by_gradient(function) and sees == "exact"


def test_of_one_row():
    def rows(x):
        return F.linear(x.kthvalue(3).values[:, 0, 12:13], torch.ones(1, 1))

    last = profile(Chain([rows]), (2, 24, 24)).layers[-1]
    assert last.receptive_field == (1, 24)
    profile(Chain([lambda x: x.mean().max(0).values]), (2, 24, 24))


def test_the_graph_where_activations_share_what_they_are_stored_in():
    def twice(x):
        for _ in range(2):
            a = x.flatten(2)[0, 0] * 1
            b = torch.relu(a)
            _, across = torch.meshgrid(a, b, indexing="ij")
            across[:1] = F.conv1d(a[None, None], torch.ones(1, 1, 99), padding=49)[0]
            out = F.conv1d(b[None, None], torch.ones(1, 1, 1))
        return out

    found = profile(Chain([twice]), (2, 24, 24))
    first, second = (found.layers[i] for i in (1, 3))
    assert first[2:] == second[2:]


@pytest.mark.parametrize(
    "index",
    [
        np.s_[:, :, [4, 0, 2]],
        np.s_[:, :, range(3)],
        np.s_[:, :, np.array([1, 0])],
        np.s_[..., [[0, 3], [1, 2]]],
        np.s_[:, :, [True, False] * 4],
        np.s_[[0], :, :, [1, 1, 5]],
        np.s_[:, :, torch.arange(8) % 3 == 0],
        np.s_[0, :, torch.eye(8) == 1],
    ],
    ids=str,
)
def test_an_index_of_numbers_moves_what_is_seen(index):
    """A list, a range or an array, as a tensor of the same numbers."""
    as_tensors = tuple(
        torch.as_tensor(part) if isinstance(part, list | range | np.ndarray) else part
        for part in index
    )
    for net in (lambda x: x[index], lambda x: x.index_put((torch.tensor([0]),), x[:1])[index]):
        with torch.device("meta"):
            found = profile(
                Chain([lambda x: x * 2, net, lambda x: F.linear(x, x.new_ones(2, x.shape[-1]))]),
                (2, 8, 8),
            )
        assert not found.layers[-1].sees.startswith("unknown")
        expected = Chain(
            [lambda x: x[as_tensors], lambda x: F.linear(x, x.new_ones(2, x.shape[-1]))]
        )
        assert found.layers[-1][2:] == profile(expected, (2, 8, 8)).layers[-1][2:]


@pytest.mark.parametrize("mask", [torch.ones(4) == 1, [True] * 9, torch.tensor(True)], ids=str)
def test_a_mask_that_does_not_fit_is_no_index(mask):
    """Torch refuses the first two; the third, a new dimension, is refused rather than guessed."""
    with pytest.raises(ProfileError):
        profile(Chain([lambda x: x[:, :, mask], lambda x: F.max_pool2d(x, 1)]), (2, 8, 8))


def write(x, index):
    x = x.clone()
    x[:, index] = 0
    return x


NUMBERS = torch.tensor([7, 8])


@pytest.mark.parametrize(
    ("choose", "dim"),
    [
        (lambda x: x[:, [0, 2]], 1),
        (lambda x: x[:, [0, -3]], 1),
        (lambda x: x[None, ..., NUMBERS, :], 2),
        (lambda x: x[:, torch.tensor([True, True]), NUMBERS], 1),
        (lambda x: x[:, :, torch.arange(9)], 2),
        (lambda x: x.index_select(3, NUMBERS), 3),
        (lambda x: torch.gather(x, dim=3, index=NUMBERS.expand(1, 2, 8, 2)), 3),
        (lambda x: x.clone().index_put_((torch.tensor([0]), NUMBERS), x.new_zeros(())), 1),
        (lambda x: write(x, NUMBERS), 1),
        (lambda x: x + F.embedding(NUMBERS, x.new_ones(8, 8))[0], 0),
        (lambda x: x + F.embedding(NUMBERS - 8, x.new_ones(8, 8))[0], 0),
        (lambda x: x.gather(1, -torch.ones(1, 2, 8, 8, dtype=torch.long)), 1),
        (lambda x: x.index_select(3, -NUMBERS), 3),
        (lambda x: x.scatter(1, torch.full((1, 1, 8, 8), 2), 1.0), 1),
        (lambda x: x.index_fill(2, NUMBERS, 1.0), 2),
        (lambda x: x.take(NUMBERS * 16), 0),
    ],
)
def test_a_number_beyond_the_end_is_refused_as_torch_refuses_it(choose, dim):
    with pytest.raises((IndexError, RuntimeError)):
        choose(torch.ones(1, 2, 8, 8))
    with pytest.raises(ProfileError, match=f"index .* is out of bounds for dimension {dim} "):
        profile(Chain([nn.Conv2d(2, 2, 1), choose]), (2, 8, 8))


@pytest.mark.parametrize(
    "write",
    [
        lambda x, mask: x.masked_fill_(mask, 0.0),
        lambda x, mask: x.masked_fill_(mask, x.new_zeros(())),
        lambda x, mask: x.masked_fill(mask, x.new_zeros(())),
        lambda x, mask: x.gt_(mask),
        lambda x, mask: x.xlogy_(mask + 1.0),
    ],
)
def test_what_is_written_element_by_element_sees_itself_and_the_mask(write):
    """In place and out of it, by a number and by a tensor of one: of some forms torch does not
    say that they go element by element."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.near, self.far = nn.Conv2d(2, 4, 1), nn.Conv2d(2, 4, 5, padding=2)
            self.last = nn.Conv2d(4, 3, 1)

        def forward(self, x):
            return self.last(write(self.near(x), self.far(x) > 0))

    found = profile(Net(), (2, 9, 9))
    assert found.layers[-1].sees == "exact" and found.layers[-1].receptive_field == 5


def test_a_shuffle_of_pixels_is_no_matter_of_size(monkeypatch):
    """What only re-arranges is run on labels where it is small; this needs no labels."""
    net = Chain(
        [
            nn.Conv2d(2, 8, 3, stride=2, padding=1),
            lambda x: F.pixel_shuffle(x, 2),
            nn.Conv2d(2, 4, 3),
        ]
    )
    found = profile(net, (2, 16, 12)).layers[-1]
    # Three pixels are of two places, two pixels apart, which see three each.
    assert (found.sees, found.receptive_field) == ("exact", 5)
    monkeypatch.setattr(primitives, "LARGEST_RUN", 0)
    assert profile(net, (2, 16, 12)).layers[-1] == found


@pytest.mark.parametrize(
    "choose",
    [
        lambda tokens, best: tokens.gather(1, best[..., None].expand(-1, -1, 4)),
        lambda tokens, best: tokens[torch.arange(1)[:, None], best],
        lambda tokens, best: tokens[0].index_select(0, best[0]),
        lambda tokens, best: F.embedding(best, tokens[0]),
    ],
)
def test_where_the_image_chooses_it_may_be_any_position(choose):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.score, self.last = nn.Conv2d(2, 4, 3), nn.Linear(4, 1), nn.Linear(4, 2)

        def forward(self, x):
            tokens = self.conv(x).flatten(2).transpose(1, 2)
            best = self.score(tokens).squeeze(-1).topk(3, dim=1).indices
            return self.last(choose(tokens, best))

    found = profile(Net(), (2, 9, 9)).layers[-1]
    assert (found.sees, found.receptive_field) == ("whole image", 9)


@pytest.mark.parametrize(
    ("choose", "channels"),
    [
        (lambda x: x.gather(1, x.argmax(1, keepdim=True)), 1),
        (lambda x: x.gather(1, x.argsort(1)), 4),
        (lambda x: torch.take_along_dim(x, x.argmax(1, keepdim=True), 1), 1),
        (lambda x: F.embedding(x.argmax(1), torch.ones(8, 5)).permute(0, 3, 1, 2), 5),
        (lambda x: F.embedding(x.argmax(1).int(), torch.ones(8, 5)).permute(0, 3, 1, 2), 5),
        (lambda x: torch.ones(8, 5)[x.argmax(1)].permute(0, 3, 1, 2), 5),
        (lambda x: torch.ones(5, 8)[:, x.argmax(1)].permute(1, 0, 2, 3), 5),
    ],
)
def test_a_choice_among_the_channels_of_a_place_sees_no_other(choose, channels):
    net = Chain([nn.Conv2d(2, 4, 3, padding=1), choose, nn.Conv2d(channels, 2, 1)])
    found = profile(net, (2, 16, 16)).layers[-1]
    assert (found.sees, found.receptive_field) == ("exact", 3)


@pytest.mark.parametrize(
    "step",
    [
        lambda x: torch.embedding(torch.full((8, 4), 30.0), torch.tensor([1])) + x[0, 0, 0, 0],
        lambda x: (
            torch.embedding(weight=torch.ones(8, 4), indices=torch.tensor([1])) + x[0, 0, :4, :4]
        ),
        lambda x: x.permute(3, 1, 2, 0)[True, torch.tensor([7])],
        lambda x: x.index_put((torch.ones(1, 4, 8, 8, dtype=torch.uint8),), torch.zeros(256)),
    ],
)
@pytest.mark.filterwarnings("ignore:indexing with dtype torch.uint8")
def test_what_torch_takes_is_not_refused(step):
    step(torch.ones(1, 4, 8, 8))
    assert profile(Chain([nn.Conv2d(2, 4, 1), step]), (2, 8, 8)).layers


def test_numbers_are_those_of_the_moment():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 1)
            self.register_buffer("numbers", torch.tensor([9, 0]))

        def forward(self, x):
            self.numbers.clamp_(max=3)
            return self.conv(x)[:, self.numbers]

    assert profile(Net(), (2, 8, 8)).layers


@pytest.mark.parametrize("wrong", [(1.0, 1.0), (np.int64(1), np.int64(1))])
def test_equal_numbers_of_other_types_leave_nothing_behind(wrong):
    """A padding of (3 - 1) / 2 is a slip that torch refuses."""
    odd, right = nn.Conv2d(2, 4, 3, padding=wrong), nn.Conv2d(2, 4, 3, padding=1)
    for first, then in ((odd, right), (right, odd)):
        for net in (first, then):
            with contextlib.suppress(ProfileError):
                found = profile(net, (2, 8, 8))
                assert {type(n) for n in (*found.layers[0].output, found.total.flops)} == {int}
        assert profile(right, (2, 8, 8)).layers
    if isinstance(wrong[0], float):
        with pytest.raises(ProfileError):
            profile(odd, (2, 8, 8))


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda y, wide: y[:, :, 8:].masked_fill_(y[:, :, 8:] > 0, 0.0), (3, 3)),
        (lambda y, wide: y[:, :, :, 8:].mul_(y[:, :, :, 8:]), (3, 3)),
        (lambda y, wide: y[:, :, 8:].add_(wide[:, :, 8:]), (7, 7)),
        (lambda y, wide: y[:, :, :4].add_(wide[:, :, :4]), (3, 7)),
        (lambda y, wide: y[:, :2].add_(wide[:, :2]), (7, 7)),
        (lambda y, wide: y[:, :, 4:][:, :, 4:].add_(wide[:, :, 8:]), (7, 7)),
        (lambda y, wide: y[:, :, 4:12][:, :, :2].add_(wide[:, :, 4:6]), (3, 7)),
    ],
)
def test_what_is_written_to_a_slice_is_seen_where_it_lies(write, expected):
    """Of the middle row and column, 8 of 16: a column is seen by all its rows together."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.near, self.far = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 7, padding=3)
            self.last = nn.Conv2d(4, 3, 1)

        def forward(self, x):
            y = self.near(x).clone()
            write(y, self.far(x))
            return self.last(y)

    found = profile(Net(), (2, 16, 16)).layers[-1]
    sides = found.receptive_field
    assert (sides if isinstance(sides, tuple) else (sides, sides)) == expected


def test_a_circular_convolution_sees_its_window_where_it_does_not_wrap():
    convs = [nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular") for _ in range(2)]
    found = profile(nn.Sequential(*convs), (3, 224, 224)).layers
    assert [(row.receptive_field, row.sees) for row in found] == [(3, "exact"), (5, "exact")]


def test_tokens_of_feature_maps_of_unequal_windows_one_after_another():
    """As a detector's: the maps are of different sizes, and pooled by unequal windows."""

    def tokens(x):
        fine, coarse = F.adaptive_avg_pool2d(x, 9), F.adaptive_avg_pool2d(x, 5)
        return torch.cat([fine.flatten(2), coarse.flatten(2)], 2).mT

    net = Chain([tokens, lambda x: x[:, 60:61], nn.Linear(2, 3)])
    assert profile(Chain([tokens, nn.Linear(2, 3)]), (2, 16, 16)).layers[0].sees == "exact"
    image = torch.rand(1, 2, 16, 16, requires_grad=True)
    net(image).sum().backward()
    seen = image.grad[0].abs().sum(0) > 0
    expected = int(seen.any(1).sum()), int(seen.any(0).sum())
    found = profile(net, (2, 16, 16)).layers[-1]
    field = found.receptive_field
    assert (field if isinstance(field, tuple) else (field, field)) == expected


def test_what_is_mapped_over_a_dimension_counts_for_each_part():
    product = [lambda x: torch.vmap(lambda t: t @ t.mT, in_dims=1)(x)]
    assert profile(Chain(product), (3, 8, 8)).total.flops == 3 * 8**3

    class Mapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.line = nn.Linear(8, 5)

        def forward(self, x):
            return torch.vmap(self.line, in_dims=1)(x)

    with pytest.raises(ProfileError, match="layer 'line' is called within torch.vmap"):
        profile(Mapped(), (3, 8, 8))


def test_flat_twice_is_flat():
    def twice(x):
        y = x.flatten(1).flatten(1)
        y.relu_()
        return y

    assert profile(Chain([nn.Conv2d(2, 4, 1), twice, nn.Linear(256, 2)]), (2, 8, 8)).layers


def test_a_mask_of_bytes_is_a_mask():
    mask = torch.tensor([1, 0, 0, 1, 0], dtype=torch.uint8)
    found = profile(
        Chain([nn.Conv2d(2, 5, 1), lambda x: x[:, mask], nn.Conv2d(2, 3, 3)]), (2, 8, 8)
    )
    assert found.layers[-1].output == (3, 6, 6)


def test_what_is_written_at_an_index_of_numbers_is_seen_there():
    def written(index):
        class Net(nn.Module):
            def forward(self, x):
                y = x.clone()
                y[:, index] = F.avg_pool2d(x, 3, 1, 1)[:, index]
                return F.conv2d(y, y.new_ones(1, 2, 1, 1))

        return profile(Net(), (2, 8, 8)).layers[-1]

    assert written([0]) == written(torch.tensor([0]))
    assert written([0]).receptive_field == 3


def test_what_lies_as_another_lies_as_torch_lays_it():
    """Dense or with gaps, in any order of dimensions, repeated along one."""
    draw, strided = random.Random(0), 0
    for _ in range(1000):
        shape = [draw.choice((1, 1, 2, 3, 5)) for _ in range(draw.randint(1, 4))]
        t = torch.empty(shape, device="meta").permute(*draw.sample(range(len(shape)), len(shape)))
        dim = draw.randrange(t.dim())
        t = draw.choice([
            t,
            t.narrow(dim, 0, max(t.shape[dim] - 1, 1)),
            t[(slice(None),) * dim + (slice(None, None, 2),)],
            t.narrow(dim, 0, 1).expand(*t.shape),
        ])  # fmt: skip
        expected = torch.empty_like(t)
        found = rules.laid_out_as(t)
        long = [n > 1 for n in t.shape]  # a stride along a single element leads nowhere
        assert found.shape == expected.shape
        assert [*itertools.compress(found.stride(), long)] == [
            *itertools.compress(expected.stride(), long)
        ]
        strided += not t.is_contiguous()
    assert strided > 200


def test_layouts_that_torch_can_view():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.other = (nn.Parameter(torch.ones(1, 2, 4)) for _ in range(2))

        def forward(self, x):
            spread = self.token.expand(3, -1, -1).clone().view(-1, 4)
            turned = (self.token.permute(0, 2, 1) + self.other.permute(0, 2, 1)).permute(0, 2, 1)
            both = (x.mT + x.mT).mT.view(1, -1)
            return F.linear(both, both.new_ones(1, both.shape[1])), spread, turned.view(1, 1, -1)

    assert profile(Tokens(), (2, 8, 8)).layers[0].flops == 128


def test_a_layer_may_have_an_attribute_of_its_owner_s():
    first = nn.Conv2d(2, 2, 1)
    first.output_size = (1, 1)
    found = profile(nn.Sequential(first, nn.Conv2d(2, 2, 1)), (2, 24, 24))
    assert [call.settings["kernel_size"] for call in found.calls[1:]] == [(1, 1)] * 2


def test_an_interpolation_s_size_is_whole():
    with pytest.raises(ProfileError):
        profile(Chain([lambda x: F.interpolate(x, size=(7.5, 7.5), mode="bilinear")]), (2, 9, 9))


OPERATIONS = [
    func
    for func in get_testing_overrides()
    if (resolve_name(func) or "").rpartition(".")[0]
    in ("torch", "torch.Tensor", "torch.nn.functional")
    and not resolve_name(func).rpartition(".")[2].startswith("_")
]


def laid(out) -> list[tuple]:
    return [(tuple(t.shape), t.dtype) for t in tree_leaves(out) if isinstance(t, torch.Tensor)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("others", [(), (2,), (1, 1), ((2, 3),), ("x",), ("x", "x")], ids=str)
def test_every_operation_is_answered_as_torch_answers_it_or_not_at_all(others):
    def given(make):
        return [make() if each == "x" else each for each in ("x", *others)]

    answered = 0
    for func in OPERATIONS:
        try:
            expected = laid(func(*given(lambda: torch.rand(2, 3, 4, 4))))
        except Exception:  # whatever torch says no with
            continue
        mode = shapes.Shapes()
        try:
            with torch.no_grad(), mode:
                found = laid(func(*given(lambda: _image((2, 3, 4, 4), torch.float32))))
        except Exception:  # of which `profile` makes a ProfileError
            continue
        finally:
            mode.release()
        assert found == expected, resolve_name(func)
        answered += bool(found)
    assert answered > 15
