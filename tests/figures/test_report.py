"""The report of a profile: what it holds, that names stay text, and how it works in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import browser
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from cnnbook import figures, models, profile
from cnnbook.figures.report import content, steps

HOSTILE = """<img src=x onerror="window['ran']=1">"""


class UNet(nn.Module):
    """Two levels: a shortcut over all that is below it, and an upsampling that has weights."""

    def __init__(self):
        super().__init__()
        self.top = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.deep = nn.Conv2d(8, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        top = self.top(x)
        deep = F.relu(self.deep(F.max_pool2d(top, 2)))
        return self.head(torch.cat([top, self.up(deep)], 1))


def reads(found) -> dict[str, list[str]]:
    return {node["name"]: [found[i]["name"] for i in node["reads"]] for node in found}


def test_a_shortcut_is_an_edge():
    found = steps(profile(UNet(), (3, 32, 32)))
    assert reads(found) == {
        "image": [], "top.0": ["image"], "max_pool2d": ["top.0"], "deep": ["max_pool2d"],
        "up": ["deep"], "cat": ["top.0", "up"], "head": ["cat"],
    }  # fmt: skip
    by_name = {node["name"]: node for node in found}
    assert by_name["top.0"]["label"] == "conv 3×3, 8" and by_name["top.0"]["follow"] == [
        "BN",
        "ReLU",
    ]
    assert by_name["up"]["label"] == "transposed conv 2×2, 8"
    assert by_name["cat"]["label"] == "concat" and by_name["cat"]["shape"] == [16, 32, 32]
    assert by_name["top.0"]["extra"] == 16  # of its batch norm


def test_the_joins_of_a_resnet():
    found = reads(steps(profile(models.resnet18(), (3, 64, 64))))
    assert found["layer1.0.add"] == ["layer1.0.conv2", "maxpool"]
    assert found["layer2.0.add"] == ["layer2.0.conv2", "layer2.0.downsample.0"]
    assert found["fc"] == ["avgpool"] and found["layer1.1.conv1"] == ["layer1.0.add"]


class Written(nn.Module):
    """What a view of a tensor is written with is read where the tensor is."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.c = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y, z = self.a(x), self.b(x)
        y[:, :2] = z[:, :2]
        y.unflatten(1, (2, 2))[:, 0].mul_(z[:, 2:].relu())
        return self.c(y)


def test_what_is_written_in_place_is_read():
    found = reads(steps(profile(Written(), (3, 8, 8))))
    assert found["__setitem__"] == ["a", "b"]
    assert found["relu"] == ["b"]  # of which the other half is read as it is
    assert found["mul"] == ["__setitem__", "relu"]
    assert found["c"] == ["mul"]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1))
        self.between = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.block(self.between(self.block(x)))


def test_a_module_used_twice_is_two_groups():
    found = content(profile(Twice(), (3, 8, 8)))
    assert found["training"] is None
    groups = [each for each in found["tree"] if isinstance(each, list)]
    assert [group[:2] for group in groups] == [["block", "Sequential"]] * 2
    assert [group[2] for group in groups] == [[1, 2], [4, 5]]


@pytest.mark.parametrize("name", ["googlenet", "densenet121", "swin_t", "vit_b_16"])
def test_every_row_and_parameter_is_in_the_drawing(name):
    with torch.device("meta"):
        kwargs = {"init_weights": False} if name == "googlenet" else {}
        model = torchvision.models.get_model(name, **kwargs).eval()
    p = profile(model)
    found = steps(p)
    assert [node["row"] for node in found if node["row"] is not None] == [*range(len(p.layers))]
    assert all(each < i for i, node in enumerate(found) for each in node["reads"])
    last = len(found) - 1
    needed = {last}
    for i in range(last, -1, -1):
        needed.update(found[i]["reads"] if i in needed else ())
    assert needed == {*range(last + 1)}, "a step that nothing reads"


def page_of(tmp_path: Path, model: nn.Module, size=(3, 224, 224), **kwargs) -> Path:
    return figures.report(profile(model, size, **kwargs), tmp_path / "net.html")


def test_one_file_that_asks_for_nothing(tmp_path):
    with torch.device("meta"):
        path = page_of(tmp_path, torchvision.models.resnet152())
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 2**20
    assert not re.search(r"""(src|href)\s*=|@import|url\(|https?://(?!www\.w3\.org)""", text)
    inside = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    data = json.loads(inside[1])
    assert data["total"]["params"] == 60_192_808 and data["total"]["flops"] == 11_513_626_624
    assert len(data["rows"]) == 158


def hostile() -> nn.Module:
    model = nn.Sequential()
    model.add_module(HOSTILE, nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)))
    model.add_module("</script></noscript><script>ran = 2</script>", nn.Conv2d(4, 4, 1))
    model.add_module("=cmd|' /C calc'!A0", nn.Conv2d(4, 4, 1))
    model.__class__ = type(HOSTILE, (nn.Sequential,), {})
    return model


def test_what_cannot_be_written(tmp_path):
    p = profile(nn.Conv2d(3, 4, 1), (3, 8, 8))
    with pytest.raises(ValueError, match="it is a folder"):
        figures.report(p, tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        figures.report(p, tmp_path / "none" / "net.html")
    locked = tmp_path / "locked.html"
    locked.write_text("mine")
    locked.chmod(0o444)
    with pytest.raises(ValueError, match="it is read-only"):
        figures.report(p, locked)
    assert locked.read_text() == "mine"
    with pytest.raises(TypeError, match="profile must be"):
        figures.report(p.table, tmp_path / "net.html")


@pytest.fixture(scope="module")
def chromium():
    with browser.launch() as found:
        yield found


def opened(chromium, path: Path, width: int = 1280, scheme: str = "light"):
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("request", lambda request: page.errors.append(request.url)
            if not request.url.startswith("file:") else None)  # fmt: skip
    page.goto(path.as_uri(), wait_until="load")
    return page


def test_names_stay_text(chromium, tmp_path):
    page = opened(chromium, page_of(tmp_path, hostile(), (3, 8, 8), training=True))
    page.locator(".step").nth(2).click()
    assert page.evaluate("window.ran") is None and not page.errors
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("h1").inner_text()
    assert page.title().startswith(HOSTILE)


@pytest.mark.parametrize("width", [1280, 360])
def test_the_page_works_by_keyboard_and_search(chromium, tmp_path, width):
    with torch.device("meta"):
        path = page_of(tmp_path, torchvision.models.googlenet(init_weights=False))
    page = opened(chromium, path, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    names = page.locator("tbody th button")
    assert names.first.inner_text() == "conv1.conv"

    head = page.locator("#table thead button", has_text="multiply-adds")
    head.focus()
    page.keyboard.press("Enter")
    assert names.first.inner_text() == "conv3.conv"  # 23.1 % of all
    assert page.locator("th[aria-sort=descending]").count() == 1

    page.keyboard.press("/")
    page.keyboard.type("inception4b")
    assert page.locator("#found").inner_text() == "7 of 72 layers"
    page.keyboard.press("Enter")
    assert page.locator("#details h3").inner_text().startswith("inception4b.branch1")
    page.keyboard.press("Escape")

    steps = page.locator(".step")
    for _ in range(4):
        page.click("#fold")
    folded = steps.count()
    page.locator(".step.module").first.focus()
    page.keyboard.press("ArrowRight")
    assert steps.count() > folded
    page.keyboard.press("ArrowLeft")
    assert steps.count() == folded
    assert "module" in page.locator(".step.chosen").get_attribute("class")
    page.keyboard.press("ArrowUp")
    assert page.locator(".step:focus").count() == 1
    assert not page.errors


def boxes(page) -> list[dict]:
    return page.evaluate("""() => [...document.querySelectorAll(".step .box")].map((box) => {
        const {left, right, top, bottom} = box.getBoundingClientRect();
        const text = [...box.parentNode.querySelectorAll("text")].map((t) =>
            t.getBoundingClientRect());
        return {left, right, top, bottom,
            out: text.some((t) => t.left < left || t.right > right)};
    })""")


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "densenet121", "swin_t", "unet"])
def test_no_step_is_drawn_over_another(chromium, tmp_path, name):
    with torch.device("meta"):
        kwargs = {"init_weights": False} if name == "googlenet" else {}
        model = UNet() if name == "unet" else torchvision.models.get_model(name, **kwargs)
    page = opened(chromium, page_of(tmp_path, model))
    for _ in range(6):
        page.click("#unfold")
    found = boxes(page)
    assert len(found) > 6 and not any(box["out"] for box in found)
    found.sort(key=lambda box: box["top"])
    for i, a in enumerate(found):
        for b in found[i + 1 :]:
            if b["top"] >= a["bottom"]:
                break
            assert b["left"] >= a["right"] or b["right"] <= a["left"]
    # No frame's title is under a box, and every value goes somewhere.
    assert page.locator(".edge").count() >= len(found) - 1
    assert not page.errors


def test_dark_is_as_the_system_is_until_asked(chromium, tmp_path):
    page = opened(chromium, page_of(tmp_path, UNet(), (3, 32, 32)), scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(255, 255, 255)" != dark


def test_a_deep_network_opens_at_once(chromium, tmp_path):
    with torch.device("meta"):
        path = page_of(tmp_path, torchvision.models.resnet152())
    page = opened(chromium, path)
    times = []
    for _ in range(5):
        page.reload(wait_until="load")
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    assert min(times) < 1000, times


def test_the_page_says_of_training_whose_and_how_much():
    p = profile(models.alexnet(), (3, 224, 224), training=True, device="cuda", precision="bf16")
    told = content(p)["training"]
    assert (told["device"], told["precision"]) == ("cuda", "bf16")
    assert (told["peak_kb"], told["peak_moment"]) == (
        p.training.peak_kb(1), p.training.peak_moment(1),
    )  # fmt: skip
