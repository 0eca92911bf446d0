import subprocess
import sys
from pathlib import Path

import pytest

from cnnbook import data
from cnnbook.data import storage


def test_names():
    assert data.names() == (
        "fashion-mnist-mini", "fashion-mnist", "cifar10", "imagefolder:PATH", "webdataset:PATTERN"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fashion-mnst", "did you mean fashion-mnist or fashion-mnist-mini?"),
        ("CIFAR-10", "did you mean cifar10?"),
        ("imagefolder", "did you mean imagefolder:PATH?"),
        ("webdataset", "did you mean webdataset:PATTERN?"),
        ("zzz", f"there is {', '.join(data.names())}"),
    ],
)
def test_an_unknown_name_gets_near_ones(name, hint):
    with pytest.raises(ValueError) as caught:
        data.load(name)
    assert str(caught.value) == f"unknown data set {name!r}; {hint}"


@pytest.mark.parametrize("name", ["fashion-mnist-mini", "fashion-mnist", "cifar10"])
def test_image_size_is_for_imagefolder_only(name):
    with pytest.raises(ValueError, match=f"images of {name} have a fixed size"):
        data.load(name, image_size=32)


@pytest.mark.parametrize("name", ["fashion-mnist-mini", "fashion-mnist", "cifar10"])
def test_what_has_a_size_of_its_own_is_never_streamed(name):
    with pytest.raises(ValueError, match=f"{name} is always read into memory; leave out stream"):
        data.load(name, stream=True)


@pytest.mark.parametrize("workers", [-1, 1.5, "2"])
def test_bad_workers(workers):
    with pytest.raises(ValueError, match="workers must be 0 or a positive integer of"):
        data.load("imagefolder:/mine", stream=True, workers=workers)


def test_default_root(monkeypatch):
    monkeypatch.setenv("CNNBOOK_DATA", "~/mine")
    assert storage.default_root() == Path.home() / "mine"
    monkeypatch.delenv("CNNBOOK_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert storage.default_root() == Path("/cache/cnnbook")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert storage.default_root() == Path.home() / ".cache" / "cnnbook"


def test_the_embedded_set_needs_neither_torchvision_nor_pandas():
    code = (
        "import sys; from cnnbook import data; data.load('fashion-mnist-mini'); "
        "print([name for name in ('torchvision', 'pandas', 'PIL') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


@pytest.mark.parametrize(
    "said", ["16 bits", "transparent", "palette", "EXIF", "animation", "CMYK", "float", "cropped"]
)
def test_what_images_become_is_told_where_they_are_loaded(said):
    assert said in data.load.__doc__.partition("Args:")[0]
