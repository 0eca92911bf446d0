"""The live network in a browser: its numbers against PyTorch's, and what a reader does with them.

Networks of every kind of layer that the page knows, with random weights, stand in a copy of the
built page beside those that ship; so the page's arithmetic is tested whatever ships.
"""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import struct
import zlib
from html import unescape
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl

import browser
import numpy as np
import pytest
import torch
from torch import nn

from cnnbook import data, models
from cnnbook.interpret import activations, lesions, live
from cnnbook.interpret.graph import graph
from cnnbook.interpret.lesions import as_json, parts, without
from cnnbook.training.images import Normalise

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
MEAN, STD = [0.286], [0.353]
IMAGES, FEW = 20, 3  # of networks that ship, and of those made up here
BOUND = 1e-3  # of the largest value of the layer

# What every step gave, as 32-bit floats, so that much of it goes quickly from page to test.
RUN = """async ([name, pixels]) => {
  const found = await window.cnnbook.live.run(name, pixels);
  return Object.entries(found).map(([step, {shape, values}]) => {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768)
      text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return [step, shape, btoa(text)];
  });
}"""

VIOLATIONS = """async () => {
  const options = {resultTypes: ['violations'], preload: false};
  const result = await axe.run('#live-page', options);
  return result.violations.flatMap(rule =>
    rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 150)}`));
}"""


class Response(nn.Module):
    """Layers that the shipped networks may lack: response norm, groups, biases, odd windows."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, (5, 3), stride=(2, 1), padding=(1, 2))
        self.norm = nn.LocalResponseNorm(5, alpha=0.3, beta=0.75, k=2.0)
        self.conv2 = nn.Conv2d(10, 15, 3, groups=5)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.mean = nn.AvgPool2d(2)
        self.adaptive = nn.AdaptiveAvgPool2d((3, 4))
        self.fc = nn.Linear(15 * 12, 10, bias=False)

    def forward(self, x):
        x = self.norm(torch.relu(self.conv1(x)))
        x = self.mean(self.pool(self.conv2(x)))
        return self.fc(torch.flatten(self.adaptive(x), 1))


def lively(model: nn.Module, side: int) -> nn.Module:
    """In half precision as networks ship, with statistics under which no layer is the identity.

    Its logits have a deviation of 2: where they are large, a softmax is 0 and 1 whatever they are.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    last = [module for module in model.eval().modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        factor = 2 / model(torch.randn(8, 1, side, side)).std()
        for parameter in last.parameters():
            parameter *= factor
    return model.half().float()


@pytest.fixture(scope="module")
def networks() -> dict[str, tuple[nn.Module, int]]:
    torch.manual_seed(0)
    made = {
        "resnet20": (models.resnet20(in_channels=1), 28),
        "plain20": (models.plain20(in_channels=1, width=8), 28),
        "vgg11_bn": (models.vgg11_bn(in_channels=1, num_classes=10, width=8,
                                     hidden_features=16), 32),
        "googlenet": (models.googlenet(in_channels=1, num_classes=10, width=0.25,
                                       aux_logits=False), 32),
        "alexnet": (models.alexnet(in_channels=1, num_classes=10, hidden_features=16), 63),
        "response": (Response(), 28),
    }  # fmt: skip
    return {name: (lively(model, side), side) for name, (model, side) in made.items()}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return data.load("fashion-mnist-mini")[1].images


@pytest.fixture(scope="module")
def classes() -> list[str]:
    return list(data.load("fashion-mnist-mini")[1].classes)


@pytest.fixture(scope="module")
def copied(html, networks, classes, images, tmp_path_factory):
    """The built page with these networks on it."""
    folder = tmp_path_factory.mktemp("live")
    shutil.copytree(html / "_static", folder / "_static")
    (folder / "chapters").mkdir()
    shutil.copy(html / "chapters" / "live.html", folder / "chapters")
    exported = {}
    for name, (model, side) in networks.items():
        about = {"title": name, "accuracy": 0.9}
        if name == "resnet20":
            prepare = prepared(side)
            kinds = ("block", "layer")
            table = lesions(model, images[:20], torch.arange(20) % 10, prepare, kinds)
            about["lesions"] = json.loads(as_json(table, 20, __file__))
        exported[name] = live.network(
            model, image_size=side, mean=MEAN, std=STD, classes=classes, **about
        )
    live.write(folder / "_static" / "live", exported)
    return folder / "chapters" / "live.html"


@pytest.fixture
def opened(driver, copied):
    """Opens the page with this part after the #; it fails on any message or request elsewhere."""
    pages, messages, asked = [], [], []

    def open_(hash="", *, script="", wait=True, **options):
        options = {"viewport": {"width": 1280, "height": 900}} | options
        page = driver.new_page(**options)
        pages.append(page)
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.on("console", lambda m: messages.append(m.text)
                if m.type in ("warning", "error") else None)  # fmt: skip
        page.on("request", lambda request: asked.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(copied.as_uri() + hash)
        if wait:
            page.evaluate("window.cnnbook.live.ready")
        return page

    yield open_
    for page in pages:
        page.close()
    assert messages == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


def prepared(side: int) -> Normalise:
    return Normalise(torch.tensor(MEAN), torch.tensor(STD), side, "cpu")


def compare(page, name: str, model: nn.Module, prepare, images) -> float:
    """The largest difference of any step over `images`, as a share of the step's largest value."""
    worst = 0.0
    for image in images:
        expected = activations(model, prepare(image[None])[0])
        found = page.evaluate(RUN, [name, image.flatten().tolist()])
        assert {step for step, _, _ in found} == expected.keys()
        for step, shape, text in found:
            values = np.frombuffer(base64.b64decode(text), np.float32)
            its = expected[step]
            assert tuple(shape) == tuple(its.shape), step
            largest = float(its.abs().max())
            difference = float((torch.from_numpy(values.copy()) - its.flatten()).abs().max())
            assert largest > 0 or difference == 0, step
            worst = max(worst, difference / largest if largest else 0.0)
    return worst


# Exactness


NAMES = ["resnet20", "plain20", "vgg11_bn", "googlenet", "alexnet", "response"]


@pytest.mark.firefox
@pytest.mark.parametrize("name", NAMES)
def test_every_activation_equals_pytorch_s(opened, networks, images, name):
    model, side = networks[name]
    page = opened()
    assert compare(page, name, model, prepared(side), images[:FEW]) <= BOUND


@pytest.mark.firefox
def test_the_networks_that_ship_do_too(driver, html, images):
    page = driver.new_page()
    page.goto((html / "chapters" / "live.html").as_uri())
    page.evaluate("window.cnnbook.live.ready")
    names = page.evaluate("window.cnnbook.live.engine.names()")
    assert names == [name for name in models.names() if "fashion-mnist" in models.weights(name)]
    for name in names:
        weights = models.weights(name)["fashion-mnist"]
        model = models.create(name, weights="fashion-mnist")
        mean, std = torch.tensor(weights.mean), torch.tensor(weights.std)
        prepare = Normalise(mean, std, weights.image_size, "cpu")
        assert compare(page, name, model, prepare, images[:IMAGES]) <= BOUND, name
    page.close()


@pytest.mark.parametrize(
    "right, wrong",
    [
        ("a10 += w1 * x0;", "a10 += w1 * x1;"),  # one weight times its neighbour's value
        ("y >= 0 && y < height", "y >= 1 && y < height"),  # the border's row is taken for padding
        ("const its = bias && [bias[k]", "const its = bias && [0"),
    ],
)
def test_a_fault_in_the_convolution_is_found(opened, copied, networks, images, right, wrong):
    text = (copied.parents[1] / "_static" / "live" / "arithmetic.js").read_text(encoding="utf-8")
    assert right in text
    page = opened(wait=False, script="")
    page.route("**/arithmetic.js*", lambda route: route.fulfill(
        body=text.replace(right, wrong), content_type="text/javascript"))  # fmt: skip
    page.reload()
    page.evaluate("window.cnnbook.live.ready")
    model, side = networks["response"]
    assert compare(page, "response", model, prepared(side), images[:1]) > BOUND


def test_wrong_calls_are_refused(opened):
    page = opened()
    ask = """async ([name, pixels]) => {
      try { await window.cnnbook.live.run(name, pixels); return 'ran'; }
      catch (error) { return error.message; }
    }"""
    assert "no network “vgg99”" in page.evaluate(ask, ["vgg99", [0] * 784])
    assert "no network “toString”" in page.evaluate(ask, ["toString", [0] * 784])
    for pixels in ([0] * 783, [0] * 783 + [256], [0] * 783 + ["1"], None, [-1] * 784):
        assert "784 grey values of 0 to 255" in page.evaluate(ask, ["resnet20", pixels])
    assert page.evaluate(ask, ["resnet20", [0] * 784]) == "ran"


def test_without_a_worker_it_runs_in_pieces(opened, networks, images):
    model, side = networks["resnet20"]
    page = opened(script="window.Worker = function () { throw new Error('refused'); };")
    assert page.evaluate("window.cnnbook.live.engine.way") == "pieces"
    assert compare(page, "resnet20", model, prepared(side), images[:2]) <= BOUND
    page = opened(script="window.Worker = class { postMessage() { "
                  "setTimeout(() => this.onerror({preventDefault() {}})); } };")  # fmt: skip
    assert page.evaluate("window.cnnbook.live.engine.way") == "pieces"
    assert "It says:" in page.locator("#live-prediction").inner_text()
    assert "Your browser starts no worker" in page.locator("#live-said").inner_text()
    page = opened()
    assert page.evaluate("window.cnnbook.live.engine.way") == "worker"
    assert page.locator("#live-said").inner_text() == ""


@pytest.fixture
def damaged(copied):
    """The file of plain20, empty for a while."""
    path = copied.parents[1] / "_static" / "live" / "networks" / "plain20.js"
    text = path.read_text(encoding="utf-8")
    path.write_text("")
    yield
    path.write_text(text, encoding="utf-8")


def test_a_network_whose_file_is_damaged_is_said_and_the_rest_works(opened, damaged):
    page = opened("#net=resnet20")
    page.locator("#live-networks").select_option("plain20")
    page.locator("#live-said").get_by_text("plain20 cannot be loaded").wait_for()
    assert page.locator("#live-networks").input_value() == "resnet20"
    before = predicted(page)
    page.locator(".live-thumbnail").nth(3).click()
    page.get_by_text("test image 4 of 60").wait_for()
    assert predicted(page) != before
    page.locator("#live-networks").select_option("response")
    page.wait_for_function("location.hash.startsWith('#net=response')")


# One number down to the pixel


def exact(page, selector: str) -> list[float]:
    read = "each => each.map(e => Number(e.dataset.exact))"
    return page.locator(selector).evaluate_all(read)


def shown(page, selector: str) -> float:
    text = page.locator(selector).first.inner_text()
    return float(text.replace("−", "-").replace("map ", "").split()[-1])


def adds_up(page) -> str:
    """Checks the sum that is shown for the chosen place; returns the kind of layer."""
    box = "#live-products "
    unit = exact(page, "#live-value b")[0]
    near = {"rel": 1e-4, "abs": 1e-4}
    for e in page.locator(f"{box}strong[data-exact]").all():
        number = float(e.inner_text().replace("−", "-"))
        assert number == pytest.approx(float(e.get_attribute("data-exact")), abs=5.1e-4)
        assert e.inner_text() not in ("−0.000", "-0.000")
    kind = "other"
    if page.locator(f"{box}.live-window table").count() == 3:
        kind = "conv"
        cells = [
            [float(cell.replace("−", "-")) for cell in table.locator("td").all_inner_texts()]
            for table in page.locator(f"{box}.live-window table").all()
        ]
        for value, weight, product in zip(*cells, strict=True):
            slack = 0.0005 * (1 + abs(weight)) + 0.005 * abs(value) + 1e-6
            assert value * weight == pytest.approx(product, abs=slack)
        slack = 0.0005 * (len(cells[2]) + 1)
        assert sum(cells[2]) == pytest.approx(shown(page, f"{box}[data-role=sum]"), abs=slack)
        total = exact(page, f"{box}[data-role=total]")[0]
        channels = exact(page, f"{box}[data-role=channel]")
        others = re.search(r"others, (\S+) together", page.locator(box).inner_text())
        rest = float(others[1].replace("−", "-")) if others else 0.0
        if channels:
            assert sum(channels) + rest == pytest.approx(total, abs=1e-3)
        value = total + sum(exact(page, f"{box}[data-role=bias]"))
    elif page.locator(f"{box}.live-terms").count():
        kind = "linear"
        total = exact(page, f"{box}[data-role=total]")[0]
        terms = exact(page, f"{box}[data-role=term]") + exact(page, f"{box}[data-role=others]")
        assert sum(terms) == pytest.approx(total, **near)
        value = total + sum(exact(page, f"{box}[data-role=bias]"))
    elif page.locator(f"{box}.live-window table").count():
        kind = "pool"
        texts = page.locator(f"{box}.live-window td").all_inner_texts()
        numbers = [float(text.replace("−", "-")) for text in texts]
        value = exact(page, f"{box}[data-role=value]")[0]
        if page.locator(f"{box}.live-winner").count():
            kind = "max pool"
            winner = page.locator(f"{box}.live-winner").inner_text()
            assert float(winner.replace("−", "-")) == pytest.approx(value, abs=5.1e-4)
        else:
            assert sum(numbers) / len(numbers) == pytest.approx(value, abs=6e-4)
    elif page.locator(f"{box}[data-role=term]").count():
        kind = "sum"
        value = sum(exact(page, f"{box}[data-role=term]"))
        assert value == pytest.approx(exact(page, f"{box}[data-role=value]")[0], **near)
    else:
        value = exact(page, f"{box}[data-role=value]")[0]
        text = page.locator(box).inner_text()
        kind = "pixel" if "grey" in text else "concat" if "as it is" in text else kind
    for line in page.locator(f"{box}.live-line").all_inner_texts():
        if "batch norm" in line:
            before, mean, var, eps, scale, shift = (
                float(part.replace("−", "-").replace(" ", "").replace("+", ""))
                for part in re.search(
                    r"\((\S+) ([+−] \S+)\) ÷ √\((\S+) \+ (\S+)\) × (\S+) ([+−] \S+) =", line
                ).groups()
            )
            made = (before + mean) / math.sqrt(var + eps) * scale + shift
            value = exact(page, f"{box}[data-role=norm]")[0]
            # To the shown digits: each number may be off by half of its last one.
            assert made == pytest.approx(value, abs=0.004 * (1 + abs(value)) / min(1, var))
        elif "response norm" in line:
            value = exact(page, f"{box}[data-role=response]")[0]
        elif "ReLU" in line:
            assert exact(page, f"{box}[data-role=relu]")[0] == pytest.approx(max(0, value), **near)
            value = max(0, value)
    assert value == pytest.approx(unit, **near)
    return kind


@pytest.mark.firefox
@pytest.mark.parametrize(
    "name, kinds",
    [
        ("resnet20", {"linear", "pool", "sum", "conv", "pixel"}),
        ("googlenet", {"linear", "pool", "concat", "conv", "max pool", "pixel"}),
        ("alexnet", {"linear", "pool", "conv", "max pool", "pixel"}),
        ("response", {"linear", "pool", "conv", "max pool", "pixel"}),
    ],
)
def test_a_number_is_followed_down_to_the_pixel(opened, networks, images, name, kinds):
    model, side = networks[name]
    page = opened(f"#net={name}&image=6")
    values = activations(model, prepared(side)(images[5][None])[0])
    steps = graph(model, (1, side, side))
    page.locator("#live-columns").select_option(index=len(live.columns(steps)) - 1)
    seen = set()
    depth = 0
    while True:
        kind = adds_up(page)
        seen.add(kind)
        # The value is PyTorch's, at the place that the fields name.
        layer = live.columns(steps)[int(page.locator("#live-columns").input_value())]
        last = [steps[n] for n in layer.steps if len(steps[n].shape) == 3] or [
            steps[layer.steps[-1]]
        ]
        at = [int(page.locator(f"#live-{axis}").input_value()) for axis in "cyx"]
        value = values[last[-1].name][tuple(at[: len(last[-1].shape)])]
        largest = values[last[-1].name].abs().max()
        assert abs(exact(page, "#live-value b")[0] - value) <= BOUND * largest
        if kind == "pixel":
            break
        terms = page.locator("#live-products .live-term").all()
        winner = page.locator("#live-products .live-winner .live-term")
        sizes = [abs(float(term.inner_text().replace("−", "-"))) for term in terms]
        (winner if winner.count() else terms[int(np.argmax(sizes))]).click()
        depth += 1
        assert depth < 100
    assert seen == kinds and depth >= 5
    for _ in range(depth):
        page.get_by_role("button", name="Back").click()
    assert int(page.locator("#live-columns").input_value()) == len(live.columns(steps)) - 1


def test_a_value_sees_the_pixels_that_move_it(opened, networks, images):
    """The frame in the image is where a change can change the value; nothing outside does."""
    model, side = networks["resnet20"]
    page = opened("#net=resnet20&layer=layer2.0.conv1&unit=3,4,9")
    field = page.evaluate("""async () => {
      const {engine, field} = window.cnnbook.live;
      return field(await engine.load('resnet20'), 'layer2.0.conv1', [3, 4, 9]);
    }""")
    image = prepared(side)(images[0][None])[0]
    whole = activations(model, image)["layer2.0.conv1"][3, 4, 9]
    inside = torch.zeros(side, side, dtype=torch.bool)
    inside[field["top"] : field["bottom"], field["left"] : field["right"]] = True
    torch.manual_seed(0)
    noise = torch.randn(1, side, side)
    outside = activations(model, torch.where(inside, image, noise))["layer2.0.conv1"][3, 4, 9]
    assert outside == whole
    rims = [
        (field["top"], 0),
        (field["bottom"] - 1, 0),
        (field["left"], 1),
        (field["right"] - 1, 1),
    ]
    for place, axis in rims:
        other = image.clone()
        other.select(axis + 1, place).copy_(noise.select(axis + 1, place))
        assert activations(model, other)["layer2.0.conv1"][3, 4, 9] != whole
    assert "sees 17×17 pixels" in page.locator("#live-value").inner_text()


# Switched off


def predicted(page) -> list[float]:
    page.wait_for_function("document.querySelector('#live-prediction td[data-class]')")
    rows = page.locator("#live-prediction td[data-class]").evaluate_all(
        "each => each.map(e => [Number(e.dataset.class), Number(e.dataset.exact)])"
    )
    return [share for _, share in sorted(rows)]


@pytest.mark.firefox
@pytest.mark.parametrize(
    "name, part",
    [
        ("resnet20", "block layer2.1"),
        ("resnet20", "shortcut layer3.0"),
        ("resnet20", "layer layer1.0.conv1"),
        ("plain20", "block layer1.1"),
        ("googlenet", "branch inception4b.2"),
        ("alexnet", "layer features.6"),
    ],
)
def test_the_prediction_without_a_part_is_pytorch_s(opened, networks, images, name, part):
    model, side = networks[name]
    page = opened(f"#net={name}&image=4&off={part.replace(' ', '+')}")
    image = prepared(side)(images[3:4])
    (its,) = [each for each in parts(graph(model, (1, side, side))) if each.name == part]
    expected = without(model, image, its.changes).softmax(1)[0]
    whole = model(image).softmax(1)[0].detach()
    assert predicted(page) == pytest.approx(expected.tolist(), abs=1e-4)
    assert not torch.allclose(expected, whole, atol=1e-3)
    page.get_by_role("button", name="All on again").click()
    page.get_by_text("Nothing is switched off").wait_for()
    assert predicted(page) == pytest.approx(whole.tolist(), abs=1e-4)


@pytest.mark.firefox
def test_a_map_and_a_block_are_switched_by_hand_and_counted(opened, networks, images):
    model, side = networks["resnet20"]
    page = opened("#net=resnet20&layer=layer1.0.conv1&unit=2,5,5")
    page.get_by_label("map 2 off").check()
    page.get_by_label("residual block layer1.0 off").check()
    page.locator("#live-offs").get_by_text("map 2 of conv 3×3, 16 (layer1.0.conv1)").wait_for()
    # Channel 2 of the ReLU after the first convolution, and the block's residual.
    page.locator("#live-counted").get_by_text("n = 10 images").wait_for()
    text = page.locator("#live-counted").inner_text()
    batch, labels = prepared(side)(images[:10]), torch.arange(10)
    before = (model(batch).argmax(1) == labels).float().mean()
    off = without(model, batch, {"layer1.0.bn2": None}).argmax(1) == labels
    shares = [float(each) / 100 for each in re.findall(r"([\d.]+) %", text)[:2]]
    assert shares == pytest.approx([float(before), float(off.float().mean())], abs=1e-3)
    page.get_by_label("residual block layer1.0 off").uncheck()
    page.wait_for_function("!document.querySelector('#live-offs').innerText.includes('residual')")
    with torch.no_grad():
        hook = model.layer1[0].bn1.register_forward_hook(
            lambda m, i, output: output.index_fill(1, torch.tensor([2]), 0)
        )
        expected = model(batch[:1]).softmax(1)[0].tolist()
        hook.remove()
    assert predicted(page) == pytest.approx(expected, abs=1e-4)


def test_the_shipped_table_leads_to_the_part(opened):
    page = opened("#net=resnet20")
    table = page.locator("#live-lesions table").first
    assert "without one block, on all 20 test images" in table.inner_text()
    table.get_by_role("button", name="residual block layer3.1").click()
    page.locator("#live-known").get_by_text("points").wait_for()
    assert "off=block+layer3.1" in page.evaluate("location.hash")
    # Other kinds of parts are folded below.
    folded = page.locator("#live-lesions details")
    assert folded.locator("summary").all_inner_texts() == ["resnet20 without one layer"]
    folded.locator("summary").click()
    folded.get_by_role("button", name="layer1.0.conv2").click()
    page.wait_for_function("location.hash.includes('off=layer+layer1.0.conv2')")


# Images of the reader's own


def picture(width: int, height: int, grey=lambda x, y: 255) -> bytes:
    """A PNG."""
    rows = b"".join(b"\0" + bytes(grey(x, y) for x in range(width)) for y in range(height))

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))  # fmt: skip


def give(page, folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    page.locator("#live-file").set_input_files(path)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", b"no picture", "That is no picture"),
        ("a.png", b"no picture", "cannot read that picture"),
        ("a.png", picture(1, 1), "1×1: it needs at least 8×8"),
        ("a.png", b"\0" * 50_000_000, "50 MB: choose one of 20 MB at most"),
    ],
    ids=["text", "damaged", "1×1", "50 MB"],
)
def test_what_is_no_picture_is_said_and_the_rest_works(opened, tmp_path, name, content, message):
    page = opened()
    before = predicted(page)
    give(page, tmp_path, name, content)
    page.locator("#live-said").get_by_text(message).wait_for()
    assert predicted(page) == before
    page.locator(".live-thumbnail").nth(3).click()
    page.get_by_text("test image 4 of 60").wait_for()


@pytest.mark.firefox
def test_a_picture_is_fitted_and_inverted(opened, tmp_path):
    page = opened()
    # A dark bar on white paper, twice as wide as it is high.
    give(page, tmp_path, "a.png", picture(112, 56, lambda x, y: 0 if 40 <= x < 72 else 255))
    page.get_by_text("made grey and fitted into 28×28, and inverted").wait_for()
    page.get_by_text("your picture").first.wait_for()
    read = """async () => {
      const values = await new Promise(done => setTimeout(() => {
        const shown = document.querySelector('#live-input');
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [shown.width, shown.height];
        const scale = canvas.width / 28;
        const brush = canvas.getContext('2d', {willReadFrequently: true});
        brush.drawImage(shown, 0, 0);
        const {data} = brush.getImageData(0, 0, canvas.width, canvas.height);
        done(Array.from({length: 784}, (_, i) => data[4 * (Math.floor((Math.floor(i / 28) + .5)
          * scale) * canvas.width + Math.floor((i % 28 + .5) * scale))]));
      }, 300));
      return values;
    }"""
    pixels = np.array(page.evaluate(read)).reshape(28, 28)
    assert pixels[14, 14] > 240 and pixels[14, 2] < 15  # the bar is light now
    assert pixels[2, 14] < 15  # above the picture it is as its border
    page.get_by_role("button", name="Do not invert").click()
    page.get_by_text("Not inverted.").wait_for()
    pixels = np.array(page.evaluate(read)).reshape(28, 28)
    assert pixels[14, 14] < 15 and pixels[14, 2] > 240


@pytest.mark.firefox
def test_drawing_with_mouse_and_keys(opened):
    page = opened()
    page.get_by_role("button", name="Draw", exact=True).click()
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("your drawing").first.wait_for()
    page.wait_for_timeout(300)
    empty = predicted(page)
    pad = page.locator("#live-pad")
    pad.focus()
    for key in ("Space", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    page.wait_for_function("""before => {
      const now = document.querySelector('#live-prediction td[data-class="0"]');
      return now && Number(now.dataset.exact) !== before;
    }""", arg=empty[0])  # fmt: skip
    drawn = predicted(page)
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=8)
    page.mouse.up()
    page.wait_for_function("""before => {
      const now = document.querySelector('#live-prediction td[data-class="0"]');
      return now && Number(now.dataset.exact) !== before;
    }""", arg=drawn[0])  # fmt: skip
    assert "image=" not in page.evaluate("location.hash")


# The address


@pytest.mark.firefox
def test_the_address_holds_the_view(opened):
    page = opened("#net=resnet20&image=9")
    page.locator("#live-columns").select_option(index=5)
    page.locator("#live-c").select_text()
    page.keyboard.type("7")  # Firefox takes no Enter for a change that no key made
    page.locator("#live-c").press("Enter")
    page.locator("#live-map").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_label("map 7 off").check()
    page.get_by_label("residual block layer1.1 off").check()
    page.wait_for_function("location.hash.includes('off=') && location.hash.includes('maps=')")
    address = page.evaluate("location.hash")  # page.url may be late
    other = opened(address)
    for part in ("#live-value", "#live-layer-name", "#live-image-name", "#live-offs ul"):
        assert other.locator(part).inner_text() == page.locator(part).inner_text(), part
    assert other.evaluate("location.hash") == address
    assert predicted(other) == pytest.approx(predicted(page))


def views(html: Path) -> list[tuple[str, str]]:
    """Every address of a view that the built pages link, and the page that does."""
    found = []
    for page in browser.pages(html):
        for link in re.findall(r'href="[^"#]*live\.html(#net=[^"]*)"', page.read_text("utf-8")):
            found.append((page.stem, unescape(link)))
    return found


def test_the_chapters_link_views_that_there_are(driver, html):
    found = views(html)
    assert {"measuring", "zfnet", "resnet", "resnext"} <= {page for page, _ in found}
    page = driver.new_page()
    for where, view in found:
        page.goto((html / "chapters" / "live.html").as_uri() + view)
        page.reload()  # another fragment alone loads nothing
        page.evaluate("window.cnnbook.live.ready")
        asked = dict(parse_qsl(view[1:]))
        got = dict(parse_qsl(page.evaluate("location.hash.slice(1)")))
        assert asked.items() <= got.items(), (where, view)
        assert page.locator("#live-said").inner_text() == "", (where, view)
    page.close()


@pytest.mark.firefox
@pytest.mark.parametrize(
    "hash",
    [
        "#net=<img src=x onerror=alert(1)>",
        "#net=__proto__&image=constructor&layer=__proto__&unit=1,1,1&off=__proto__",
        "#net=resnet20&image=-1&layer=<script>alert(1)</script>&unit=9999999,1,1",
        "#net=resnet20&image=1e9&unit=999,99,99&layer=conv1&off=block+nothing&maps=conv1:99.-1",
        "#net=../../../etc/passwd&maps=:::&off=|||",
        "#%E0%A4%A&unit=0,0,0",
        "#" + "net=a&" * 5000,
    ],
)
def test_hostile_addresses_do_nothing(opened, hash):
    page = opened(hash)
    page.get_by_text("test image 1 of 60").wait_for()
    assert page.locator("#live-networks").input_value() == "resnet20"
    assert page.locator("#live-page script, #live-page img").count() == 0
    assert "Nothing is switched off" in page.locator("#live-offs").inner_text()
    assert page.evaluate("({}).polluted") is None


# Everybody


@pytest.mark.parametrize("theme, width", [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing_in_any_state(opened, theme, width):
    page = opened("#net=googlenet", color_scheme=theme, viewport={"width": width, "height": 900})
    for layer in ("input", "conv1.conv", "maxpool1", "inception3a.cat", "avgpool", "fc"):
        page.evaluate(f"location.hash = 'net=googlenet&layer={layer}&off=branch+inception3a.2'")
        page.locator("#live-layer-name").get_by_text(layer, exact=True).wait_for()
        found = page.evaluate(f"{AXE}; null") or page.evaluate(VIOLATIONS)
        assert found == [], layer
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) <= 0, layer


@pytest.mark.firefox
def test_the_keyboard_alone_reaches_a_pixel(opened):
    page = opened("#net=resnet20")
    page.locator(".live-card[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert "layer1.0.conv2" in page.locator("#live-layer-name").inner_text()
    page.locator("#live-products .live-term[tabindex='0']").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")  # the focus goes on to the next window
    assert "image" in page.locator("#live-layer-name").inner_text()


def test_a_finger_reaches_a_number_and_draws(opened):
    page = opened("#net=resnet20&layer=conv1&unit=0,0,0", has_touch=True,
                  viewport={"width": 360, "height": 740})  # fmt: skip
    page.locator("#live-map").scroll_into_view_if_needed()
    box = page.locator("#live-map").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("location.hash.includes('unit=0,14,14')")
    page.locator("#live-products .live-term").nth(4).tap()
    page.wait_for_function("location.hash.includes('layer=input&unit=0,14,14')")
    page.get_by_role("button", name="Draw", exact=True).tap()
    page.get_by_role("button", name="Clear").tap()
    page.get_by_text("your drawing").first.wait_for()
    page.wait_for_timeout(300)
    empty = predicted(page)
    page.locator("#live-pad").scroll_into_view_if_needed()
    box = page.locator("#live-pad").bounding_box()
    page.touchscreen.tap(box["x"] + 120, box["y"] + 120)
    page.wait_for_function("""before => {
      const now = document.querySelector('#live-prediction td[data-class="0"]');
      return now && Number(now.dataset.exact) !== before;
    }""", arg=empty[0])  # fmt: skip


def test_without_scripts_it_says_what_to_do(driver, copied):
    context = driver.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(copied.as_uri())
    assert page.get_by_text("The live network runs in a browser, with JavaScript.").is_visible()
    assert not page.locator("#live-page").is_visible()
    context.close()


# The longest piece of work of ten runs, and how long 3e7 products take here just now.
LONGEST_PIECE = """async () => {
      const {engine} = window.cnnbook.live;
      const pixels = Array.from({length: 784}, (_, i) => i % 256);
      let longest = 0, last = performance.now(), goes = true;
      const beat = () => {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
        if (goes) setTimeout(beat);
      };
      const plain = performance.now();
      let sum = 0;
      for (let i = 0; i < 3e7; i++) sum += i * 0.5;
      const unit = performance.now() - plain; // how fast this machine is just now
      last = performance.now();
      beat();
      for (let i = 0; i < 10; i++) await engine.run('resnet20', pixels, {keep: ['fc']});
      goes = false;
      return [longest, unit, sum];
    }"""


def test_the_page_never_freezes(opened):
    """Our own scripts' pieces of work; a busy machine stretches whatever else there is."""
    page = opened("#net=resnet20")
    pieces = [page.evaluate(LONGEST_PIECE) for _ in range(3)]
    assert any(longest < 50 + 4 * unit for longest, unit, _ in pieces), pieces  # others rest then


def test_it_is_several_times_faster_than_a_plain_loop(opened):
    """One forward of resnet20 beside its multiply-adds in a plain loop, taking turns."""
    page = opened("#net=resnet20")
    ratios = page.evaluate("""async () => {
      const arithmetic = window.cnnbook.live.arithmetic();
      const network = await window.cnnbook.live.engine.load('resnet20');
      const made = arithmetic.made(network, network.bytes);
      const pixels = Array.from({length: 784}, (_, i) => i % 256);
      const ours = () => { const run = made.run(pixels); while (!run.next().done); };
      const [C, S] = [16, 28];
      const x = new Float32Array(C * S * S).fill(0.5), w = new Float32Array(C * C * 9).fill(0.1);
      const out = new Float32Array(C * S * S);
      const plain = () => {
        for (let k = 0; k < C; k++) for (let y = 0; y < S; y++) for (let z = 0; z < S; z++) {
          let sum = 0;
          for (let c = 0; c < C; c++) for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++) {
            const [v, u] = [y + i - 1, z + j - 1];
            if (v >= 0 && v < S && u >= 0 && u < S)
              sum += x[(c * S + v) * S + u] * w[((k * C + c) * 3 + i) * 3 + j];
          }
          out[(k * S + y) * S + z] = sum;
        }
      };
      const timed = (go) => { const t = performance.now(); go(); return performance.now() - t; };
      const ratios = [];
      for (let i = 0; i < 12; i++) {
        const mine = timed(ours);
        ratios.push(mine / timed(() => { for (let j = 0; j < 17; j++) plain(); }));
      }
      return ratios.sort((a, b) => a - b);
    }""")
    assert ratios[len(ratios) // 2] < 0.5
