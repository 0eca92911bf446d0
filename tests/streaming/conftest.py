"""Real images as JPEG files, in folders as ImageNet's and in WebDataset's shards."""

import io
from functools import cache

import pytest
import torch
import webdataset
from PIL import Image

from cnnbook import data, models
from cnnbook.data.imagestream import default_workers

PARTS = {"train": 120, "val": 40, "test": 50}
CLASSES = tuple(f"class-{i}" for i in range(10))


@cache
def jpegs():
    """Part, number, label and file of images of Fashion-MNIST, RGB, 40 × 36 pixels."""
    found = []
    train, test = data.load("fashion-mnist-mini")
    for part, images in zip(PARTS, (train, train.validation, test), strict=True):
        for number in range(PARTS[part]):
            picture = Image.fromarray(images.images[number, 0].numpy()).convert("RGB")
            file = io.BytesIO()
            picture.resize((40, 36)).save(file, "JPEG", quality=90)
            found.append((part, number, int(images.labels[number]), file.getvalue()))
    return found


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("folder")
    for part, number, label, content in jpegs():
        path = root / part / CLASSES[label] / f"{number:06}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_shards(root, images=30):
    """Shards of so many images, as webdataset writes them, and the names of the classes."""
    shards = {}
    for part, number, label, content in jpegs():
        path = root / f"{part}-{number // images:06}.tar"
        if path not in shards:
            shards[path] = webdataset.TarWriter(str(path))
        shards[path].write({"__key__": f"{part}{number:06}", "jpg": content, "cls": label})
    for writer in shards.values():
        writer.close()
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    return root


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture
def own_shards(tmp_path):
    """Shards that the test may spoil."""
    return write_shards(tmp_path)


@pytest.fixture
def load():
    workers = min(2, default_workers())  # torch warns of more than the cores

    def load_quietly(name, **options):
        options = {"image_size": 16, "progress": False, "workers": workers, **options}
        return data.load(name, **options)

    return load_quietly


@pytest.fixture
def network():
    def make():
        with torch.random.fork_rng():
            torch.manual_seed(7)
            return models.create("resnet20", num_classes=10, in_channels=3)

    return make


@pytest.fixture
def error_of(load):
    def error_of(name, **options):
        with pytest.raises(data.DataError) as error:
            load(name, **options)
        assert "\n" not in str(error.value)
        return str(error.value)

    return error_of
