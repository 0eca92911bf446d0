"""What `data.load` finds in folders and shards, and what it says when something is wrong."""

import io
import re
import shutil
import sys
import tarfile

import numpy as np
import pytest
import torch
import webdataset

from cnnbook import data
from cnnbook.data import ImageStream, imagefolder


def test_a_folder_streamed_is_the_folder_in_memory(folder, load):
    name = f"imagefolder:{folder}"
    pairs = zip(
        load(name, stream=True), data.load(name, image_size=16, progress=False), strict=True
    )
    for stream, held in pairs:
        assert isinstance(stream, ImageStream) and not isinstance(held, ImageStream)
        assert torch.equal(stream.take(torch.arange(len(stream))), held.images)
        assert torch.equal(stream.labels, held.labels)
        assert (stream.classes, stream.input_size) == (held.classes, held.input_size)
        assert stream.counts().equals(held.counts())
        for value, other in zip(stream.mean_std(), held.mean_std(), strict=True):
            assert torch.equal(value, other)
    assert len(load(name, stream=True)[0].validation) == 40


@pytest.mark.parametrize("form", ["", "/train-{000000..000003}.tar"])
def test_shards_hold_the_images_of_the_folder(form, shards, folder, load):
    found = load(f"webdataset:{shards}{form}")
    train, test = load(f"imagefolder:{folder}", stream=True)
    for stream, other in zip((*found, found[0].validation), (train, test, train.validation),
                             strict=True):  # fmt: skip
        assert stream.classes == other.classes
        one, two = (
            sorted(zip(each.labels.tolist(), each.take(torch.arange(len(each))).flatten(1).tolist(),
                       strict=True))
            for each in (stream, other)
        )  # fmt: skip
        assert one == two


def test_workers_read_the_batches_in_their_order(shards, load):
    train, _ = load(f"webdataset:{shards}")
    batches = torch.randperm(len(train), generator=torch.Generator().manual_seed(0)).split(7)
    read = list(train.read(batches))
    assert len(read) == 18
    for images, indices in zip(read, batches, strict=True):
        assert torch.equal(images, train.take(indices))


def test_without_validation_images_some_can_be_held_out(shards, load):
    train, _ = load(f"webdataset:{shards}")
    kept, held_out = train.split(0.25, seed=1)
    assert (len(kept), len(held_out), held_out.validation) == (90, 30, None)
    assert held_out.counts().tolist() == 10 * [3]
    places = {tuple(place) for part in (kept, held_out) for place in part.places.tolist()}
    assert len(places) == 120
    assert len({train.checksum, kept.checksum, held_out.checksum}) == 3


def test_mean_and_deviation_of_a_large_set_are_those_of_a_sample(folder, load, monkeypatch):
    train, _ = load(f"imagefolder:{folder}", stream=True)
    whole = torch.stack(train.mean_std())
    monkeypatch.setattr("cnnbook.data.imagestream.SAMPLE", 60)
    sample = torch.stack(train.mean_std())
    assert not torch.equal(sample, whole)
    torch.testing.assert_close(sample, whole, rtol=0, atol=0.05)


def test_shards_are_shuffled_a_few_at_a_time():
    """50 shards of 8 images: in groups of 16, 16, 16 and 2 shards that change from draw to draw."""
    shard = torch.arange(50).repeat_interleave(8)
    places = torch.stack([shard, torch.arange(400), torch.ones(400, dtype=torch.long)], 1)
    labels = torch.zeros(400, dtype=torch.long)
    stream = ImageStream(None, np.arange(50), places, labels, ("a",), "toy", 16)
    generator = torch.Generator().manual_seed(0)
    first, second = stream.order(generator), stream.order(generator)
    for order in (first, second):
        assert sorted(order.tolist()) == list(range(400))
        groups = [set(part.tolist()) for part in shard[order].split(16 * 8)]
        assert [len(group) for group in groups] == [16, 16, 16, 2]
        assert shard[order][:40].unique().numel() > 8  # mixed, not one after the other
    assert set(shard[first[:128]].tolist()) != set(shard[second[:128]].tolist())


def test_classes_without_a_file_are_numbers(own_shards, load):
    (own_shards / "classes.txt").unlink()
    assert load(f"webdataset:{own_shards}")[0].classes == tuple("0123456789")


def test_val_alone_is_the_test_set(own_shards, load):
    for shard in own_shards.glob("test-*"):
        shard.unlink()
    train, test = load(f"webdataset:{own_shards}")
    assert (len(train), train.validation, len(test)) == (120, None, 40)


def test_a_missing_shard_is_named(own_shards, error_of):
    (own_shards / "train-000002.tar").unlink()
    message = error_of(f"webdataset:{own_shards}/train-{{000000..000003}}.tar")
    assert message == f"there is no shard {own_shards / 'train-000002.tar'}"


def test_missing_parts(tmp_path, own_shards, error_of):
    for shard in (*own_shards.glob("test-*"), *own_shards.glob("val-*")):
        shard.unlink()
    assert "no test or validation shards" in error_of(f"webdataset:{own_shards}")
    (tmp_path / "empty").mkdir()
    message = error_of(f"webdataset:{tmp_path}/empty")
    assert message == f"{tmp_path / 'empty'} has no training shards, train*.tar"
    assert "must have train in it" in error_of(f"webdataset:{tmp_path}/mine-{{0..3}}.tar")


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_a_truncated_shard_is_named(share, own_shards, error_of):
    path = own_shards / "train-000001.tar"
    content = path.read_bytes()
    end = len(content.rstrip(b"\0"))
    path.write_bytes(content[: int(share * end)])
    assert error_of(f"webdataset:{own_shards}").startswith(f"{path} is damaged (")


def test_a_shard_with_a_damaged_header_is_named(own_shards, error_of):
    path = own_shards / "train-000001.tar"
    with tarfile.open(path) as tar:
        start = tar.getmembers()[10].offset
    content = bytearray(path.read_bytes())
    content[start : start + 200] = b"x" * 200
    path.write_bytes(content)
    assert error_of(f"webdataset:{own_shards}").startswith(f"{path} is damaged (")


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"jpg": b"x"}, "has an image a without label (.cls)"),
        ({"cls": 1}, "holds no images (jpg, jpeg, png, webp)"),
        ({"jpg": b"x", "cls": b"shirt"}, "must be a class's number, got b'shirt'"),
        ({"jpg": b"x", "png": b"x", "cls": 1}, "has two images named a"),
        ({"jpg": b"x", "cls": 10}, "has the label 10, there are 10 classes: 0 … 9"),
    ],
)
def test_a_sample_that_is_not_an_image_and_its_label(sample, message, own_shards, error_of):
    path = own_shards / "train-000001.tar"
    with webdataset.TarWriter(str(path), encoder=False) as writer:
        encoded = {k: v if isinstance(v, bytes) else str(v).encode() for k, v in sample.items()}
        writer.write({"__key__": "a", **encoded})
    found = error_of(f"webdataset:{own_shards}")
    assert str(path) in found and message in found


def test_a_label_without_its_image(own_shards, error_of):
    path = own_shards / "train-000001.tar"
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo("lonely.cls")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"3"))
    found = error_of(f"webdataset:{own_shards}")
    assert found == f"{path} has a label lonely without image"


@pytest.mark.parametrize("text", ["", "a\nb\na\n"])
def test_a_wrong_file_of_classes(text, own_shards, error_of):
    (own_shards / "classes.txt").write_text(text)
    message = error_of(f"webdataset:{own_shards}")
    assert message == f"{own_shards / 'classes.txt'} must name each class once, a line each"


def test_the_package_webdataset_is_asked_for(shards, monkeypatch, error_of):
    for name in [name for name in sys.modules if name.partition(".")[0] == "webdataset"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "webdataset", None)
    assert "pip install webdataset" in error_of(f"webdataset:{shards}")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_named(workers, own_shards, folder, tmp_path, load):
    shard = own_shards / "train-000001.tar"
    train, _ = load(f"webdataset:{own_shards}", workers=workers)
    number = (train.places[:, 0] == 1).nonzero()[4]
    _, start, length = train.places[number][0].tolist()
    content = bytearray(shard.read_bytes())
    content[start + 2 : start + length] = bytes(length - 2)
    shard.write_bytes(content)
    found = re.escape(f"train000034.jpg in {shard} cannot be read as an image (")
    with pytest.raises(data.DataError, match=f"^{found}.*$"):
        list(train.read([number]))

    root = shutil.copytree(folder, tmp_path / "copy")
    path = sorted((root / "train").glob("*/*"))[0]
    path.write_bytes(path.read_bytes()[:300])
    train, _ = load(f"imagefolder:{root}", stream=True, workers=workers)
    with pytest.raises(data.DataError, match=f"^{re.escape(str(path))} cannot be read as an .*$"):
        list(train.read([torch.tensor([0])]))


def test_an_image_that_went_away_is_named(folder, tmp_path, load):
    root = shutil.copytree(folder, tmp_path / "copy")
    train, _ = load(f"imagefolder:{root}", stream=True)
    path = sorted((root / "train").glob("*/*"))[0]
    path.unlink()
    found = re.escape(f"{path} cannot be read (No such file or directory)")
    with pytest.raises(data.DataError, match=f"^{found}$"):
        list(train.read([torch.tensor([0])]))


def test_images_beyond_memory_ask_for_the_stream(folder, monkeypatch):
    needed = 210 * 3 * 64**2
    name = f"imagefolder:{folder}"
    monkeypatch.setattr(imagefolder, "available_memory", lambda: 2 * needed)
    assert len(data.load(name, progress=False)[0]) == 120
    monkeypatch.setattr(imagefolder, "available_memory", lambda: 2 * needed - 1)
    with pytest.raises(data.DataError, match="the 210 images of .* stream=True, or --stream"):
        data.load(name, progress=False)
    assert len(data.load(name, progress=False, stream=True)[0]) == 120
