"""Folders as they come from other machines, with what systems and people leave in them."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnbook import data
from cnnbook.data.listing import list_images


@pytest.fixture
def root(tmp_path):
    """Two parts of two classes of two images."""
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "set" / part / name
            folder.mkdir(parents=True)
            for file in ("a.png", "b.JPG"):
                Image.new("RGB", (8, 8)).save(folder / file, "PNG")
    return tmp_path / "set"


def names(root, stream):
    """The classes of the training part, and its images below the folder."""
    train, _ = data.load(f"imagefolder:{root}", image_size=8, progress=False, stream=stream)
    listing = list_images(root / "train")
    assert len(train) == len(listing.paths)
    below = [Path(path).relative_to(root / "train").as_posix() for path in listing.paths]
    return train.classes, below


ALL = (("cat", "dog"), ["cat/a.png", "cat/b.JPG", "dog/a.png", "dog/b.JPG"])
both = pytest.mark.parametrize("stream", [False, True])


@both
@pytest.mark.parametrize(
    "name",
    [".ipynb_checkpoints", "__MACOSX", ".thumbnails", "@eaDir", "#recycle", "@Recycle", ".git"],
)
def test_metadata_folders_are_no_classes_and_hold_no_images(name, root, stream):
    for place in (root / "train", root / "train" / "cat"):
        shutil.copytree(root / "train" / "dog", place / name)
    assert names(root, stream) == ALL


@both
@pytest.mark.parametrize("name", ["Thumbs.db", ".DS_Store", "._a.png", "desktop.ini", ".b.jpg"])
def test_metadata_files_are_no_images(name, root, stream):
    for place in (root / "train", root / "train" / "cat"):
        (place / name).write_bytes(b"\0\5\x16\7 not an image")
    assert names(root, stream) == ALL


@both
@pytest.mark.parametrize("target", [".", "..", "../..", "cat"])
def test_a_link_to_a_folder_above_multiplies_no_images(target, root, stream):
    (root / "train" / "cat" / "again").symlink_to(target if target != "cat" else "../cat")
    if target != "cat":
        (root / "train" / "loop").symlink_to(target)
    assert names(root, stream) == ALL


def test_two_classes_that_are_one_folder(root):
    (root / "train" / "hound").symlink_to("dog")
    with pytest.raises(data.DataError) as error:
        list_images(root / "train")
    assert str(error.value) == (
        f"{root / 'train' / 'hound'} is the same folder as one of class 'dog'; remove one"
    )


@both
def test_links_to_images_and_folders_elsewhere_are_followed(root, stream, tmp_path):
    (root / "train" / "dog").rename(tmp_path / "elsewhere")
    (root / "train" / "dog").symlink_to(tmp_path / "elsewhere")
    assert names(root, stream) == ALL


@both
@pytest.mark.parametrize(
    "name", ["cat/c.png", "fish", "n01.v2", "cat/more", "cat/more.v2", "../val", "../test"]
)
def test_a_dangling_link_is_named(name, root, stream):
    path = Path(os.path.normpath(root / "train" / name))
    if path.exists():
        path.rename(root / "val")
    nowhere = Path("/no/such/place")
    path.symlink_to(nowhere)
    with pytest.raises(data.DataError) as error:
        names(root, stream)
    assert str(error.value) == (
        f"{path} is a link to {nowhere}, which cannot be reached (No such file or directory)"
    )


@both
@pytest.mark.posix("ELOOP")
@pytest.mark.parametrize("name", ["train/fish", "train/cat/more", "train/cat/c.png", "val"])
def test_a_link_to_itself_is_named(name, root, stream):
    (root / name).symlink_to(Path(name).name)
    with pytest.raises(data.DataError) as error:
        names(root, stream)
    assert str(error.value) == (
        f"{root / name} is a link to {Path(name).name}, which cannot be reached "
        "(Too many levels of symbolic links)"
    )


@both
@pytest.mark.parametrize("part", ["test", "val"])
def test_a_part_that_is_a_file_is_named(part, root, stream):
    if part == "test":
        (root / "test").rename(root / "val")
    (root / part).write_bytes(b"an archive")
    with pytest.raises(data.DataError) as error:
        names(root, stream)
    assert str(error.value) == f"{root / part} must be a folder with a folder a class"


@pytest.mark.parametrize("place", ["x" * 5000, "~nobody-of-this-name/x"])
def test_a_folder_of_no_possible_name(place):
    with pytest.raises(data.DataError, match="must have the folders train and test"):
        data.load(f"imagefolder:{place}")


@both
@pytest.mark.posix("os.mkfifo")
def test_a_pipe_is_no_image(root, stream):
    os.mkfifo(root / "train" / "cat" / "c.png")  # whose reader would wait for ever
    with pytest.raises(data.DataError, match="train/cat/c.png is no plain file"):
        names(root, stream)


@pytest.mark.parametrize("name", ["c.exr", "c.avif", "c.HEIC"])
def test_a_format_that_is_not_read_is_named(name, root):
    (root / "train" / "cat" / name).write_bytes(b"v/1\x01")
    with pytest.raises(data.DataError) as error:
        list_images(root / "train")
    assert str(error.value) == (
        f"{root / 'train' / 'cat' / name} is of a format that is not read; save it as PNG, or "
        "remove it"
    )


@both
def test_a_jpeg_as_windows_names_it_is_read(root, stream):
    """Saved from a web page, it ends in .jfif."""
    Image.new("RGB", (8, 8), "white").save(root / "train" / "cat" / "c.JFIF", "JPEG")
    train, _ = data.load(f"imagefolder:{root}", image_size=8, progress=False, stream=stream)
    assert (train.take(torch.tensor([2])) == 255).all() and len(train) == 5


def test_other_files_are_left_out(root):
    (root / "train" / "README.txt").write_text("mine", encoding="utf-8")
    (root / "train" / "cat" / "labels.csv").write_text("mine", encoding="utf-8")
    assert names(root, True) == ALL


def test_names_with_spaces_and_letters_of_any_language(root):
    place = root.with_name("Bilder für heute 猫")
    (root / "train" / "cat" / "a.png").rename(root / "train" / "cat" / "ä b 猫.png")
    root.rename(place)
    train, _ = data.load(f"imagefolder:{place}", progress=False, stream=True)
    assert train.take(train.labels).shape == (4, 3, 64, 64)
