import hashlib
import pickle
import re
import tarfile

import numpy as np
import pytest
import torch
import torchvision

from cnnbook import data

CIFAR10 = torchvision.datasets.CIFAR10
FOLDER = CIFAR10.base_folder
CLASSES = [f"class {i}" for i in range(10)]


@pytest.fixture
def cifar(host, monkeypatch):
    """A CIFAR-10 of 20 images a batch, packed on a web server where torchvision will look for it.

    Returns the address' folder, and all images and labels in the order of the batches.
    """
    served, address = host
    chance = np.random.RandomState(0)
    images = chance.randint(0, 256, (6, 20, 3072), dtype=np.uint8)
    labels = chance.randint(0, 10, (6, 20))
    names = [name for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list)]
    contents = {
        name: pickle.dumps({"data": batch, "labels": of_batch.tolist()})
        for name, batch, of_batch in zip(names, images, labels, strict=True)
    }
    contents["batches.meta"] = pickle.dumps({"label_names": CLASSES})
    source = served / FOLDER
    source.mkdir()
    for name, content in contents.items():
        (source / name).write_bytes(content)
    with tarfile.open(served / CIFAR10.filename, "w:gz") as archive:
        archive.add(source, FOLDER)
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(CIFAR10, "url", address + CIFAR10.filename)
    packed = (served / CIFAR10.filename).read_bytes()
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(packed).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [[names[5], md5[names[5]]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    return served, images.reshape(-1, 3, 32, 32), labels.ravel()


def test_download_and_find_again(cifar, tmp_path):
    served, images, labels = cifar
    root = tmp_path / "root"
    loaded = data.load("cifar10", root=root, progress=False)
    (served / CIFAR10.filename).unlink()
    for parts in (loaded, data.load("cifar10", root=root, download=False)):
        for part, where in zip(parts, (slice(0, 100), slice(100, 120)), strict=True):
            assert torch.equal(part.images, torch.from_numpy(images[where]))
            assert part.images.is_contiguous()
            assert part.labels.tolist() == labels[where].tolist()
            assert (part.name, part.classes) == ("cifar10", tuple(CLASSES))
    assert [path.name for path in root.iterdir()] == [FOLDER]


def test_missing_without_download(tmp_path):
    with pytest.raises(
        data.DataError, match=f"cifar10 is not in {re.escape(str(tmp_path / FOLDER))}"
    ):
        data.load("cifar10", root=tmp_path, download=False)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_damaged_file_is_named_and_mended_when_deleted(name, cifar, tmp_path):
    data.load("cifar10", root=tmp_path, progress=False)
    path = tmp_path / FOLDER / name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(data.DataError) as caught:
        data.load("cifar10", root=tmp_path)
    assert str(caught.value) == f"{path} is damaged (its MD5 is wrong); delete it and run again"
    path.unlink()
    assert len(data.load("cifar10", root=tmp_path, progress=False)[0]) == 100


def test_a_cut_download_leaves_nothing(cifar, tmp_path):
    archive = cifar[0] / CIFAR10.filename
    archive.write_bytes(archive.read_bytes()[:-100])
    root = tmp_path / "root"
    with pytest.raises(data.DataError, match="cifar10 could not be downloaded") as caught:
        data.load("cifar10", root=root, progress=False)
    assert "\n" not in str(caught.value)
    assert list(root.iterdir()) == []
