"""The explorer in a browser: its arithmetic against `cnnbook.profile`, its code, link and keys."""

from __future__ import annotations

import random

import browser
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnnbook import explorer, models, profile

# A profile as plain values, a row per convolution, linear and pooling layer.
PROFILES = """networks => networks.map(({net, input}) => {
  const layers = cnnbookExplorer.read(net);
  const found = cnnbookExplorer.profile({input, layers});
  return {
    problem: found.problem,
    again: cnnbookExplorer.write(layers),
    rows: found.rows.filter(row => row.kind).map(row => [
      row.kind, row.shape, cnnbookExplorer.kilobytes(row.elements),
      String(row.params), String(row.flops), row.field]),
    total: [cnnbookExplorer.kilobytes(found.total.elements),
      String(found.total.params), String(found.total.flops)],
  };
})"""
CODES = """networks => networks.map(({net, input}) => {
  const network = {input, layers: cnnbookExplorer.read(net)};
  return [cnnbookExplorer.pytorch(network), cnnbookExplorer.profile(network).output];
})"""


@pytest.fixture(scope="module")
def chromium():
    with browser.launch() as chromium:
        yield chromium


@pytest.fixture
def page(chromium, html):
    """The page as opened without a network in its address; it fails on any message."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    messages = []
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("console", lambda m: messages.append(m.text) if m.type in ("warning", "error") else 0)
    page.goto((html / "chapters" / "explorer.html").as_uri())
    yield page
    page.close()
    assert messages == []


# What the page should find, and what it found, in the same form


def expected(model: nn.Module, size: tuple[int, ...]) -> dict:
    p = profile(model, size)
    rows = [
        [
            layer.kind,
            list(layer.output),
            layer.memory_kb,
            str(layer.params),
            str(layer.flops),
            list(layer.receptive_field)
            if isinstance(layer.receptive_field, tuple)
            else layer.receptive_field,
        ]
        for layer in p.layers
    ]
    return {"rows": rows, "total": [p.total.memory_kb, str(p.total.params), str(p.total.flops)]}


def found(page, networks: list[dict]) -> list[dict]:
    results = page.evaluate(PROFILES, networks)
    for network, result in zip(networks, results, strict=True):
        assert result.pop("problem") is None, network
        assert result.pop("again") == network["net"]
    return results


# Random networks, as layers for the page and as modules for `profile`


class Join(nn.Module):
    def __init__(self, branches: list[nn.Module], concat: bool):
        super().__init__()
        self.branches, self.concat = nn.ModuleList(branches), concat

    def forward(self, x):
        ends = [branch(x) for branch in self.branches]
        if self.concat:
            return torch.cat(ends, 1)
        total = ends[0]
        for end in ends[1:]:
            total = total + end
        return total


class Zeros(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return F.pad(x, (0, 0, 0, 0, 0, self.channels))


class Draw:
    """Draws networks layer by layer, so that each fits what the layers before it give."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)

    def network(self) -> tuple[list[dict], nn.Module, tuple[int, int, int]]:
        r = self.random
        size = (r.randint(1, 4), r.randint(6, 40), r.randint(6, 40))
        layers, modules, shape = self.stack(size, r.randint(1, 6), depth=0)
        if r.random() < 0.6:
            tail, more, shape = self.tail(shape)
            layers, modules = layers + tail, modules + more
        return layers, nn.Sequential(*modules), size

    def stack(self, shape, length: int, depth: int):
        layers, modules = [], []
        for _ in range(length):
            choices = [self.conv, self.conv, self.pool, self.pool, self.adaptive, self.same]
            if depth < 2:
                choices += [self.sum, self.concat]
            draw = self.random.choice(choices)
            layer, module, shape = draw(shape, *([depth] if draw in choices[6:] else []))
            layers.append(layer)
            modules.append(module)
        return layers, modules, shape

    def conv(self, shape, keep: bool = False, out: int | None = None):
        r = self.random
        c, *sizes = shape
        groups = r.choice([g for g in range(1, c + 1) if c % g == 0])
        out = out or groups * r.randint(1, max(1, 12 // groups))
        groups = groups if out % groups == 0 else 1
        dilation = [r.choice([1, 1, 2]) for _ in sizes]
        if keep:
            kernel, stride = [r.choice([1, 3, 5]) for _ in sizes], [1, 1]
            padding = [d * (k // 2) for d, k in zip(dilation, kernel, strict=True)]
        else:
            kernel, stride = [r.randint(1, 5) for _ in sizes], [r.randint(1, 3) for _ in sizes]
            spread = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
            padding = [max(r.randint(0, 3), s - n) for s, n in zip(spread, sizes, strict=True)]
        bias = r.random() < 0.5
        module = nn.Conv2d(
            c, out, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), groups, bias
        )
        layer = {"type": "conv", "out": out, "kernel": kernel, "stride": stride, "groups": groups,
                 "padding": padding, "dilation": dilation, "bias": bias}  # fmt: skip
        return layer, module, self.after(module, shape)

    def pool(self, shape, keep: bool = False):
        r = self.random
        if keep:
            kernel, stride, padding, ceil = [3, 3], [1, 1], [1, 1], False
        else:
            kernel = [r.randint(1, min(4, n)) for n in shape[1:]]
            stride = [r.randint(1, 3) for _ in kernel]
            padding, ceil = [r.randint(0, k // 2) for k in kernel], r.random() < 0.5
        layer = {"kernel": kernel, "stride": stride, "padding": padding, "ceil": ceil}
        options = [tuple(kernel), tuple(stride), tuple(padding)]
        if r.random() < 0.5:
            module = nn.AvgPool2d(*options, ceil_mode=ceil)
            return layer | {"type": "avgpool"}, module, self.after(module, shape)
        module = nn.MaxPool2d(*options, ceil_mode=ceil)
        return layer | {"type": "maxpool", "dilation": [1, 1]}, module, self.after(module, shape)

    def adaptive(self, shape):
        size = [self.random.randint(1, 9) for _ in range(2)]
        kind = self.random.choice(["avg", "max"])
        module = {"avg": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}[kind](tuple(size))
        return {"type": f"adaptive{kind}", "size": size}, module, (shape[0], *size)

    def same(self, shape):
        layer, module = self.random.choice(
            [
                ({"type": "relu"}, nn.ReLU()),
                ({"type": "batchnorm"}, nn.BatchNorm2d(shape[0])),
                ({"type": "dropout", "percent": 30}, nn.Dropout(0.3)),
                ({"type": "lrn", "size": 5}, nn.LocalResponseNorm(5)),
                ({"type": "zeros", "out": 2}, Zeros(2)),
            ]
        )
        return layer, module, (shape[0] + layer.get("out", 0), *shape[1:])

    def joined(self, kind: str, branches, shape):
        layer = {"type": kind, "branches": [layers for layers, _ in branches]}
        modules = [nn.Sequential(*modules) for _, modules in branches]
        return layer, Join(modules, kind == "concat"), shape

    def sum(self, shape, depth: int):
        """One branch as it falls, and others that end in its shape; or the identity beside it."""
        if self.random.random() < 0.4:
            layer, module, _ = self.conv(shape, keep=True, out=shape[0])
            branches = [([layer], [module]), ([], [])]
            self.random.shuffle(branches)
            return self.joined("sum", branches, shape)
        first, modules, end = self.stack(shape, self.random.randint(1, 3), depth + 1)
        branches = [(first, modules)]
        for _ in range(self.random.randint(1, 2)):
            pool = {"type": "adaptiveavg", "size": list(end[1:])}
            layer, module, _ = self.conv((shape[0], *end[1:]), keep=True, out=end[0])
            branches.append(([pool, layer], [nn.AdaptiveAvgPool2d(end[1:]), module]))
        return self.joined("sum", branches, end)

    def concat(self, shape, depth: int):
        branches, channels = [], 0
        for _ in range(self.random.randint(2, 4)):
            layers, modules, end = [], [], shape
            for _ in range(self.random.randint(0, 2)):
                draw = self.random.choice([self.conv, self.pool])
                layer, module, end = draw(end, keep=True)
                layers.append(layer)
                modules.append(module)
            branches.append((layers, modules))
            channels += end[0]
        return self.joined("concat", branches, (channels, *shape[1:]))

    def tail(self, shape):
        r = self.random
        inputs, width, classes = shape[0] * shape[1] * shape[2], r.randint(1, 9), r.randint(1, 9)
        branches = [
            ([{"type": "linear", "out": width, "bias": True}], [nn.Linear(inputs, width)]),
            ([], []),
        ]
        joined, module, (inputs,) = self.joined("concat", branches, (inputs + width,))
        layers = [
            {"type": "flatten"},
            joined,
            {"type": "batchnorm"},
            {"type": "linear", "out": classes, "bias": False},
        ]
        modules = [nn.Flatten(), module, nn.BatchNorm1d(inputs), nn.Linear(inputs, classes, False)]
        return layers, modules, (classes,)

    @staticmethod
    def after(module: nn.Module, shape) -> tuple[int, ...]:
        return tuple(module(torch.empty(1, *shape, device="meta")).shape[1:])


def drawn(n: int) -> list[tuple[dict, nn.Module]]:
    with torch.device("meta"):
        draw = Draw(seed=0)
        networks = [draw.network() for _ in range(n)]
    return [
        ({"net": explorer.write(layers), "input": list(size)}, model)
        for layers, model, size in networks
    ]


def presets() -> list[dict]:
    texts = [explorer.preset(name) for name in models.names()]
    return [{"net": t["net"], "input": [int(n) for n in t["in"].split("x")]} for t in texts]


def test_each_network_of_the_book_has_the_package_s_profile(page):
    networks = presets()
    assert page.evaluate("Object.keys(cnnbookExplorer.presets)") == list(models.names())
    for name, network, result in zip(models.names(), networks, found(page, networks), strict=True):
        with torch.device("meta"):
            options = {"aux_logits": False} if name == "googlenet" else {}
            model = models.create(name, **options)
        assert result == expected(model, tuple(network["input"])), name


def test_random_networks_have_the_package_s_profile(page):
    networks = drawn(1000)
    results = found(page, [network for network, _ in networks])
    for (network, model), result in zip(networks, results, strict=True):
        assert result == expected(model, tuple(network["input"])), network


def test_the_pytorch_code_runs_and_is_the_same_network(page, capsys):
    networks = presets() + [network for network, _ in drawn(30)]
    results = found(page, networks)
    codes = page.evaluate(CODES, networks)
    for network, result, (code, output) in zip(networks, results, codes, strict=True):
        with torch.device("meta"):
            exec(code, scope := {})
        assert expected(scope["network"], tuple(network["input"])) == result, code
        shape = tuple(scope["network"].eval()(scope["images"]).shape)
        assert capsys.readouterr().out == f"{shape}\n"
        assert list(shape[1:]) == output


def test_the_address_holds_the_network_over_a_reload(page):
    page.locator("#explorer-preset").select_option("resnet18")
    page.locator("#explorer-height").fill("96")
    page.get_by_role("button", name="7×7 conv, 64").click()
    page.get_by_role("textbox", name="output channels").fill("32")
    assert page.url.partition("#")[2].startswith("net=c32k7s2p3n.b.r")
    assert page.url.endswith("&in=3x96x224")
    before = page.locator("#explorer-rows").inner_text()
    assert "batch norm" in before
    page.reload()
    assert page.locator("#explorer-rows").inner_text() == before


def test_an_address_that_cannot_be_read_is_named(page):
    page.evaluate("location.hash = 'net=c64k3.x9&in=3x32x32'")
    page.locator("#explorer-said").get_by_text("no layer is written “x9”").wait_for()


def test_the_keyboard_alone_changes_a_network(page):
    params = page.locator("#explorer-params")
    before = params.inner_text()
    page.locator("#explorer-rows button[tabindex='0']").focus()
    for key in ("ArrowDown", "Enter", "Control+a", "9", "6", "Escape"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.textContent").startswith("11×11 conv, 96")
    assert params.inner_text() != before
    page.locator("[data-action='undo']").focus()
    page.keyboard.press("Enter")  # each typed digit was a change
    page.keyboard.press("Enter")
    assert params.inner_text() == before


@pytest.mark.parametrize(
    "text, images, message",
    [
        ("c8k7", "3x5x5", "has a window of 7×7, but gets only 5×5"),
        ("c8k3g2", "3x8x8", "2 groups must divide both the 3 input channels"),
        ("c8k3.l10", "3x8x8", "needs a vector, but gets 8×6×6"),
        ("s(c8k3p1~)", "3x8x8", "The branches end in 8×8×8 and 3×8×8"),
        ("j(c8k3~)", "3x8x8", "A concatenation needs the same height and width"),
        ("f.c8k3", "3x8x8", "gets a vector of 192"),
        ("m2p2", "3x8x8", "more than half of the window"),
    ],
)
def test_what_does_not_fit_is_said(page, text, images, message):
    page.evaluate(f"location.hash = 'net={text}&in={images}'")
    page.locator("#explorer-fault").get_by_text(message).wait_for()
    assert page.locator("#explorer-rows .explorer-misfit").count() == 1


def test_wrong_numbers_change_nothing(page):
    total = page.locator("#explorer-params").inner_text()
    page.get_by_role("button", name="11×11 conv, 64").click()
    page.get_by_role("textbox", name="stride").fill("0")
    assert page.locator("#explorer-field-problem").inner_text() == "stride must be from 1 to 1024."
    page.locator("#explorer-width").fill("wide")
    assert "must be a whole number from 1 to 4096" in page.locator("#explorer-said").inner_text()
    assert page.locator("#explorer-params").inner_text() == total


def test_every_kind_of_layer_can_be_inserted_and_deleted(page):
    start = page.locator("#explorer-rows").inner_text()
    for kind in page.evaluate("Object.keys(cnnbookExplorer.KINDS)"):
        page.get_by_role("button", name="11×11 conv, 64").click()
        page.locator("#explorer-new").select_option(kind)
        page.locator("[data-action='insert']").click()
        assert page.locator("#explorer-rows").inner_text() != start, kind
        page.locator("[data-action='delete']").click()
        assert page.locator("#explorer-rows").inner_text() == start, kind


def test_a_network_without_a_layer_in_the_explorer_is_refused():
    with pytest.raises(ValueError, match="^the explorer has no layer for"):
        explorer.layers(nn.Sequential(nn.Conv2d(3, 8, 3), nn.GELU()))
