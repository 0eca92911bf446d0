"""Weights that come with the package: what is written is what is built, and as good as it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cnnbook import data, models
from cnnbook.models import pretrained
from cnnbook.training.device import autocast
from cnnbook.training.images import Normalise
from cnnbook.training.loop import evaluate

SHIPPED = sorted(pretrained.FOLDER.glob(f"*{pretrained.SUFFIX}"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of weights with those of one small network."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    torch.manual_seed(3)
    options = {"num_classes": 10, "in_channels": 1, "width": 4}
    network = models.create("resnet20", **options)
    about = models.Weights(
        architecture="resnet20", options=options, source="fashion-mnist", image_size=28,
        mean=(0.28,), std=(0.35,), classes=tuple("abcdefghij"), accuracy=0.1, experiment="none",
        arm="resnet20", seed=0, path=tmp_path / "resnet20-fashion-mnist.safetensors",
    )  # fmt: skip
    pretrained.write(network, about)
    return network, about


def test_what_is_written_is_what_is_built(folder):
    network, about = folder
    assert models.weights("resnet20") == {"fashion-mnist": about}
    built = models.create("resnet20", weights="fashion-mnist")
    assert not built.training
    for name, value in network.state_dict().items():
        there = built.state_dict()[name]
        expected = value.half().float() if value.is_floating_point() else value
        assert torch.equal(there, expected) and there.dtype == value.dtype, name
    options = {"in_channels": 1, "width": 4}  # those that the weights were trained with
    models.create("resnet20", weights="fashion-mnist", **options)


def test_bad_questions(folder):
    with pytest.raises(ValueError, match=r"^resnet20 has no weights 'mnist'; there is resnet20-f"):
        models.create("resnet20", weights="mnist")
    with pytest.raises(ValueError, match="^resnet56 has no weights 'fashion-mnist'; there is"):
        models.create("resnet56", weights="fashion-mnist")
    for wrong in ({"in_channels": 3}, {"width": 16}, {"num_classes": 2}, {"shortcut": "B"}):
        with pytest.raises(ValueError, match="of resnet20 were trained with num_classes=10, in_c"):
            models.create("resnet20", weights="fashion-mnist", **wrong)
    assert models.weights("vgg16") == {}
    with pytest.raises(ValueError, match="^unknown architecture 'resnet2'; did you mean "):
        models.weights("resnet2")


def test_a_damaged_file_is_named(folder):
    _, about = folder
    whole = about.path.read_bytes()
    for content in (b"", whole[:50], b"\0" * 100, whole.replace(b'"cnnbook"', b'"cnnbooc"')):
        about.path.write_bytes(content)
        with pytest.raises(ValueError, match="resnet20-fashion-mnist.safetensors holds no weights"):
            models.weights("resnet20")


def test_a_folder_that_cannot_be_written(folder, tmp_path):
    network, about = folder
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="^cannot write "):
        pretrained.write(network, replace(about, path=tmp_path / "file" / "x.safetensors"))


def test_all_files_together_are_small():
    assert SHIPPED, "the package comes with trained weights"
    assert sum(path.stat().st_size for path in SHIPPED) <= 8e6


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_each_is_as_good_as_it_says_on_all_test_images(path):
    about = pretrained.read(path)
    _, test = data.load(about.source, download=False)
    assert len(test) == 10_000 and test.classes == about.classes
    network = models.create(about.architecture, weights=about.source)
    prepare = Normalise(torch.tensor(about.mean), torch.tensor(about.std), about.image_size, "cpu")
    network.to(memory_format=prepare.layout)
    found = evaluate(network, test, prepare, autocast(torch.device("cpu"), "fp32"))
    assert found.accuracy == pytest.approx(about.accuracy, abs=5e-4)
    assert round(100 * found.accuracy, 1) >= 91.0
