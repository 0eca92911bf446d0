import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnbook import data
from cnnbook.data import fashion_mnist, fashion_mnist_mini, storage

FULL_SET = fashion_mnist.find(storage.default_root())  # before a test has another folder
SCRIPT = Path(__file__).parents[2] / "scripts" / "make_fashion_mnist_mini.py"


@pytest.fixture(scope="module")
def mini():
    return data.load("fashion-mnist-mini")


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sizes_and_balance(mini):
    train, test = mini
    for part, size in [(train, 10_000), (train.validation, 2_000), (test, 2_000)]:
        assert part.images.shape == (size, 1, 28, 28)
        assert part.images.dtype == torch.uint8
        assert part.name == "fashion-mnist-mini"
        assert part.counts().tolist() == [size // 10] * 10
    assert train.classes == fashion_mnist.CLASSES


def test_these_very_images(mini):
    """The decoded images, whichever library unpacks them; records name these checksums."""
    train, test = mini
    assert [part.checksum for part in (train, train.validation, test)] == [
        "bff14a7f1971a2860368054fe84933a13bdb5896309c2a3608f12162ee9bf3ee",
        "d27bbf0c5b292ffa153eede7f911205b0914b719af444f6c3a2034bd6dd1e430",
        "083cf3d349613e9bfa5df747e3bc4b8eaeb97a7101a486102ba7bef6d2bba46b",
    ]


def test_no_image_occurs_twice(mini):
    train, test = mini
    parts = (train, train.validation, test)
    seen = {image.numpy().tobytes() for part in parts for image in part.images}
    assert len(seen) == 14_000


def test_labels_belong_to_the_images(mini):
    """The nearest class mean is right for two thirds of the images, by chance for a tenth."""
    train, test = mini
    pixels = train.images.flatten(1).float()
    means = torch.stack([pixels[train.labels == label].mean(0) for label in range(10)])
    for part in (train.validation, test):
        nearest = torch.cdist(part.images.flatten(1).float(), means).argmin(1)
        assert (nearest == part.labels).float().mean() > 0.6


def test_is_small_and_says_whose_it_is():
    licence = fashion_mnist_mini.PATH.with_name("fashion_mnist_mini.LICENSE.txt").read_text("utf-8")
    for words in ("MIT License", "Zalando SE", "Xiao", "Rasul", "Vollgraf", "arXiv:1708.07747"):
        assert words in licence
    assert fashion_mnist_mini.PATH.stat().st_size < 5.5e6


def test_needs_no_root_and_writes_nothing(tmp_path):
    data.load("fashion-mnist-mini", root=tmp_path / "no such folder")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_says_reinstall(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist_mini, "PATH", tmp_path / "gone.npy.xz")
    with pytest.raises(data.DataError, match=r"gone\.npy\.xz cannot be read \(No such file"):
        data.load("fashion-mnist-mini")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return tmp_path_factory.mktemp("mini") / "fashion_mnist_mini.npy.xz"


@settings(max_examples=25, deadline=None)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), truncate=st.booleans())
def test_any_damage_is_noticed(copy, position, bit, truncate):
    packed = bytearray(fashion_mnist_mini.PATH.read_bytes())
    at = int(position * len(packed))
    if truncate:
        del packed[at:]
    else:
        packed[at] ^= 1 << bit
    copy.write_bytes(packed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fashion_mnist_mini, "PATH", copy)
        with pytest.raises(data.DataError) as error:
            data.load("fashion-mnist-mini")
    assert str(error.value) == f"{copy} is damaged (its SHA-256 is wrong); reinstall cnnbook"


def test_the_script_draws_without_overlap_from_the_right_split(
    fashion, store, script, tmp_path, monkeypatch, capsys
):
    store(fashion(train_per_class=1300, test_per_class=220), tmp_path / "FashionMNIST" / "raw")
    made = tmp_path / "made.npy.xz"
    assert script.main(["--root", str(tmp_path), "--output", str(made)]) == 0
    assert "NOT as in the package" in capsys.readouterr().out

    monkeypatch.setattr(fashion_mnist_mini, "PATH", made)
    monkeypatch.setattr(fashion_mnist_mini, "SHA256", hashlib.sha256(made.read_bytes()).hexdigest())
    train, test = data.load("fashion-mnist-mini")
    drawn = set()
    for part, size, split in [(train, 10_000, 0), (train.validation, 2_000, 0), (test, 2_000, 1)]:
        marks = part.images[:, 0, 0, :4].long()
        assert len(part) == size
        assert (marks[:, 0] == split).all()
        assert torch.equal(marks[:, 1], part.labels)
        drawn |= {tuple(mark) for mark in marks.tolist()}
    assert len(drawn) == 14_000
    # Drawn by chance, not the first ones of each class.
    assert max(256 * high + low for split, _, high, low in drawn if split == 0) > 12_900


@pytest.mark.parametrize("output", ["folder that is not there/made.npy.xz", "."])
def test_the_script_leaves_nothing_behind_when_it_cannot_write(
    output, fashion, store, script, tmp_path, monkeypatch, capsys
):
    root = tmp_path / "root"
    store(fashion(train_per_class=2, test_per_class=1), root / "FashionMNIST" / "raw")
    monkeypatch.setattr(fashion_mnist_mini, "SIZES", {"train": 10, "validation": 10, "test": 10})
    assert script.main(["--root", str(root), "--output", str(root / output)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in root.iterdir()] == ["FashionMNIST"]


def test_the_script_makes_the_embedded_file_again(script, tmp_path, monkeypatch, capsys):
    assert FULL_SET, "no Fashion-MNIST here: python scripts/fetch_images.py"
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", FULL_SET[next(iter(FULL_SET))].parent)
    made = tmp_path / "made.npy.xz"
    assert script.main(["--output", str(made)]) == 0
    assert ", as in the package" in capsys.readouterr().out
    assert made.read_bytes() == fashion_mnist_mini.PATH.read_bytes()
