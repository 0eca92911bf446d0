"""Shards as other people's tools write them, and as failed copies leave them."""

import gzip
import io
import json
import os
import re
import tarfile
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnbook import data


def picture():
    file = io.BytesIO()
    Image.new("RGB", (40, 36), "red").save(file, "JPEG")
    return file.getvalue()


JPEG = picture()


@pytest.fixture
def first(own_shards):
    """Rewrite the first training shard with these members."""

    def write(members):
        path = own_shards / "train-000000.tar"
        with tarfile.open(path, "w") as tar:
            for name, content in members:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return path

    return write


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("n01.23.v2.jpg", "n01.23.v2.cls"),
        ("a.left.jpg", "a.cls"),
        ("x.y/a.JPG", "x.y/a.cls"),
        ("./a.jpg", "./a.cls"),
    ],
)
def test_dots_in_names(image, label, first, own_shards, load):
    first([(image, JPEG), (label, b"7")])
    train, _ = load(f"webdataset:{own_shards}")
    assert len(train) == 91 and train.labels[0] == 7
    assert train.take(torch.tensor([0])).shape == (1, 3, 16, 16)


def test_what_systems_leave_is_no_sample(first, own_shards, load):
    first([("._a.jpg", b"x"), ("a.jpg", JPEG), ("a.cls", b"7"), ("__MACOSX/._a.cls", b"x")])
    assert len(load(f"webdataset:{own_shards}")[0]) == 91


@pytest.mark.parametrize("text", [b"7\n", b"7\r\n", b" 7", b"007", b"0" * 90 + b"7"])
def test_labels_as_tools_write_them(text, first, own_shards, load):
    first([("a.jpg", JPEG), ("a.cls", text)])
    assert load(f"webdataset:{own_shards}")[0].labels[0] == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"9" * 5000, "must be a class's number, got b'99999999999999999999' …"),
        (b"1000000000", "must be a class's number, 0 … 999,999, got 1000000000"),
        (b"-1", "must be a class's number, got b'-1'"),
        (b"\xff\xfe7", "must be a class's number, got"),
        (b"", "must be a class's number, got b''"),
    ],
)
@pytest.mark.parametrize("names", [True, False])
def test_labels_that_are_none(text, message, names, first, own_shards, error_of):
    if not names:
        (own_shards / "classes.txt").unlink()
    path = first([("a.jpg", JPEG), ("a.cls", text)])
    began = time.process_time()
    assert f"a.cls in {path} {message}" in error_of(f"webdataset:{own_shards}")
    assert time.process_time() - began < 20 * a_second()


@pytest.mark.parametrize("label", [999, 1000, 999_999])
def test_classes_without_names_are_those_that_images_can_show(
    label, first, own_shards, error_of, load
):
    """A million classes of 91 images would be a layer of gigabytes."""
    (own_shards / "classes.txt").unlink()
    path = first([("a.jpg", JPEG), ("a.cls", str(label).encode())])
    if label < 1000:
        assert load(f"webdataset:{own_shards}")[0].num_classes == 1000
        return
    assert error_of(f"webdataset:{own_shards}") == (
        f"{path} has the label {label:,}, there are 91 training images; if it is a class's "
        f"number, name the classes in {own_shards / 'classes.txt'}, a line each"
    )


def test_two_labels_for_one_image(first, own_shards, error_of):
    path = first([("a.jpg", JPEG), ("a.cls", b"7"), ("a.cls", b"8")])
    assert error_of(f"webdataset:{own_shards}") == f"{path} has two labels named a"


def test_two_images_for_one_label(first, own_shards, error_of):
    path = first([("a.left.jpg", JPEG), ("a.right.jpg", JPEG), ("a.cls", b"7")])
    assert error_of(f"webdataset:{own_shards}") == f"{path} has two images named a"


def test_compressed_shards(own_shards, error_of):
    for path in own_shards.glob("train*.tar"):
        path.with_suffix(".tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    path = own_shards / "train-000000.tar"
    path.write_bytes(path.with_suffix(".tar.gz").read_bytes())
    message = error_of(f"webdataset:{own_shards}")
    assert message == f"{path} is compressed; unpack it: images are read in place"
    for path in own_shards.glob("train*.tar"):
        path.unlink()
    for pattern in ("", "/train-{000000..000003}.tar"):
        message = error_of(f"webdataset:{own_shards}{pattern}")
        assert "train-000000.tar.gz is compressed, unpack it" in message


@pytest.mark.parametrize("name", ["train-000002.tar.gz", "test-000000.tgz", "val-000001.tar.zst"])
def test_a_compressed_shard_beside_plain_ones_is_not_left_out(name, own_shards, error_of, load):
    plain = own_shards / f"{name.partition('.')[0]}.tar"
    content = plain.read_bytes()
    plain.unlink()
    (own_shards / name).write_bytes(gzip.compress(content))
    assert error_of(f"webdataset:{own_shards}") == (
        f"{own_shards / name} is compressed, unpack it: images are read in place"
    )
    plain.write_bytes(content)  # unpacked, and the packed one kept
    assert len(load(f"webdataset:{own_shards}")[0]) == 120


PIPE = pytest.param(
    lambda path: os.mkfifo(path),
    "is no plain file; replace or remove it",
    id="pipe",
    marks=pytest.mark.posix("os.mkfifo"),
)
FOLDER = pytest.param(os.mkdir, "is no plain file; replace or remove it", id="folder")
LINK = pytest.param(
    lambda path: os.symlink("/nope", path),
    f"is a link to {Path('/nope')}, which cannot be reached (No such file or directory)",
    id="link",
)
LOOP = pytest.param(
    lambda path: os.symlink(path.name, path),
    "which cannot be reached (Too many",
    id="loop",
    marks=pytest.mark.posix("ELOOP"),
)


@pytest.mark.parametrize(("make", "message"), [PIPE, FOLDER, LINK, LOOP])
@pytest.mark.parametrize(
    "name", ["train-000002.tar", "test-000001.tar", "val-000000.tar", "classes.txt"]
)
def test_what_is_no_plain_file_is_named(name, make, message, own_shards, error_of):
    path = own_shards / name
    path.unlink()
    make(path)
    for pattern in ("", "/train-{000000..000003}.tar"):
        found = error_of(f"webdataset:{own_shards}{pattern}")
        assert found.startswith(f"{path} ") and message in found


def test_a_shard_that_cannot_be_read_is_named(own_shards, error_of, monkeypatch):
    path, original = own_shards / "train-000001.tar", tarfile.open

    def refuse(name, *args):
        if name == path:
            raise PermissionError(13, "Permission denied", str(name))
        return original(name, *args)

    monkeypatch.setattr(tarfile, "open", refuse)
    assert error_of(f"webdataset:{own_shards}") == f"{path} cannot be read (Permission denied)"


@pytest.mark.parametrize("name", ["train-000003.tar", "test-000001.tar"])
def test_a_shard_that_only_the_index_names(name, own_shards, error_of, load):
    counts = {path.name: 30 for path in own_shards.glob("train*.tar")} | {"test-000001.tar": 20}
    (own_shards / "sizes.json").write_text(json.dumps(counts), encoding="utf-8")
    assert len(load(f"webdataset:{own_shards}")[0]) == 120
    (own_shards / name).unlink()
    assert error_of(f"webdataset:{own_shards}") == (
        f"there is no shard {own_shards / name}, of which the index beside it says that it "
        f"has {counts[name]} samples; fetch it, or replace the index"
    )
    if name.startswith("train"):  # a pattern may name some of the training shards
        some = load(f"webdataset:{own_shards}/train-{{000000..000002}}.tar")
        assert len(some[0]) == 90


@pytest.mark.posix("os.mkfifo")
def test_a_pipe_is_no_index(own_shards, load):
    os.mkfifo(own_shards / "sizes.json")  # whose reader would wait for ever
    assert len(load(f"webdataset:{own_shards}")[0]) == 120


def test_a_shard_cut_off_anywhere_is_named(own_shards, error_of):
    path = own_shards / "train-000001.tar"
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    end += -end % tarfile.BLOCKSIZE  # of the last member; then the marker, then filling
    with tarfile.open(path) as tar:
        starts = [member.offset for member in tar][1:6]
    cuts = [*starts, *(start + 512 for start in starts), end - 1, end, end + 512, end + 1023]
    for cut in cuts:
        path.write_bytes(whole[:cut])
        assert error_of(f"webdataset:{own_shards}").startswith(f"{path} is damaged ("), cut


def test_a_shard_that_goes_on_after_its_end_is_named(own_shards, error_of):
    path = own_shards / "train-000001.tar"
    path.write_bytes(path.read_bytes() + (own_shards / "train-000002.tar").read_bytes())
    assert "it goes on after its end marker" in error_of(f"webdataset:{own_shards}")


@pytest.mark.parametrize("form", ["sizes", "wids"])
def test_fewer_samples_than_the_index_says(form, own_shards, error_of, load):
    counts = {path.name: 30 for path in own_shards.glob("train*.tar")}
    if form == "wids":
        rows = [{"url": f"data/{name}", "nsamples": count} for name, count in counts.items()]
        index = {"wids_version": 1, "shardlist": rows}
    else:
        index = counts
    path = own_shards / ("sizes.json" if form == "sizes" else "train.json")
    path.write_text(json.dumps(index), encoding="utf-8")
    assert len(load(f"webdataset:{own_shards}")[0]) == 120
    path.write_text(json.dumps(index).replace("30", "31"), encoding="utf-8")
    assert error_of(f"webdataset:{own_shards}") == (
        f"{own_shards / 'train-000000.tar'} has 30 samples, the index beside it says 31; "
        "replace it, or the index"
    )


def test_a_shard_cut_off_after_it_was_indexed(own_shards, load):
    train, _ = load(f"webdataset:{own_shards}", workers=0)
    path = own_shards / "train-000003.tar"
    path.write_bytes(path.read_bytes()[: train.places[-1, 1] + 100])
    with pytest.raises(data.DataError, match=rf"{re.escape(str(path))} ends .* bytes too early"):
        train.take(torch.tensor([len(train) - 1]))


def a_second() -> float:
    """The seconds that this machine needs just now for what a usual one does in one."""
    began = time.process_time()
    sum(n * n for n in range(2_000_000))
    return max(1, 10 * (time.process_time() - began))


@pytest.mark.parametrize(
    "pattern", ["{0..20000000}", "{000000..020000000}", "{0..9}{0..9999}-{0..9999}", "{3..1..0}"]
)
def test_patterns_of_millions_answer_at_once(pattern, own_shards, error_of):
    began = time.process_time()
    assert " shard" in error_of(f"webdataset:{own_shards}/train-{pattern}.tar")
    assert time.process_time() - began < a_second()


def test_a_pattern_of_thousands_of_digits(own_shards, error_of):
    message = error_of(f"webdataset:{own_shards}/train-{{0..{'9' * 4500}}}.tar")
    assert message.startswith("the numbers of shards have at most 18 digits, got 'train-{0..9")
    assert len(message) < 200


def test_a_name_longer_than_names_can_be(own_shards, error_of):
    assert "there is no shard" in error_of(f"webdataset:{own_shards}/train-{'9' * 4500}.tar")
    assert "File name too long" in error_of(f"webdataset:{own_shards}/{'9' * 4500}/train.tar")


def test_a_pattern_without_its_end(own_shards, error_of):
    message = error_of(f"webdataset:{own_shards}/train-{{0..3.tar")
    assert "Unbalanced braces" in message


def test_braces_in_the_folder_are_its_name(own_shards, tmp_path, load):
    folder = own_shards.rename(tmp_path.with_name(f"{tmp_path.name} {{a,b}} ü"))
    assert len(load(f"webdataset:{folder}/train-{{000000..000003}}.tar")[0]) == 120


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\r"])
def test_names_of_classes_in_any_editor_s_form(encoding, end, own_shards, load):
    names = ("crème", "猫\u2028x", *(f"class-{i}" for i in range(2, 10)))
    (own_shards / "classes.txt").write_bytes(f"{end.join(names)}{end}".encode(encoding))
    assert load(f"webdataset:{own_shards}")[0].classes == names


@pytest.mark.parametrize("content", ["crème".encode("latin-1"), "a\nb".encode("utf-16-le")])
def test_names_of_classes_in_another_encoding(content, own_shards, error_of):
    (own_shards / "classes.txt").write_bytes(content)
    assert f"{own_shards / 'classes.txt'} must " in error_of(f"webdataset:{own_shards}")
