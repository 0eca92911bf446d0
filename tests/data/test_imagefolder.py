import numpy as np
import pytest
import torch
from PIL import Image

from cnnbook import data

COLOURS = {"blue": (0, 0, 255), "red": (255, 0, 0)}


def make(root, parts=("train", "test"), classes=("blue", "red"), size=(20, 12)):
    """A folder of plain pictures, two PNG and one JPEG for each class, sizes W × H."""
    for part in parts:
        for name in classes:
            folder = root / part / name
            folder.mkdir(parents=True)
            for file in ("a.png", "b.png", "c.jpg"):
                Image.new("RGB", size, COLOURS.get(name, (9, 9, 9))).save(folder / file)
    return root


def load(root, **options):
    return data.load(f"imagefolder:{root}", progress=False, **options)


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "val")])
def test_train_and_test(parts, tmp_path):
    train, test = load(make(tmp_path, parts))
    for part in (train, test):
        assert part.images.shape == (6, 3, 64, 64)
        assert part.classes == ("blue", "red")
        assert part.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert part.name == f"imagefolder:{tmp_path}"
        assert part.validation is None
        for image, label in zip(part.images.int(), part.labels, strict=True):
            wanted = torch.tensor(COLOURS[part.classes[label]]).view(3, 1, 1)
            assert (image - wanted).abs().max() <= 2  # JPEG rounds


def test_val_beside_test_is_the_validation_part(tmp_path):
    make(tmp_path, ("train", "test", "val"))
    (tmp_path / "val" / "red" / "a.png").unlink()
    train, test = load(tmp_path)
    assert (len(train), len(train.validation), len(test)) == (6, 5, 6)


@pytest.mark.parametrize("size", [(90, 30), (30, 90), (30, 30)])
def test_shorter_side_resized_and_centre_kept(size, tmp_path):
    make(tmp_path)
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    # White in the middle square, black outside it.
    top, left = (height - 30) // 2, (width - 30) // 2
    picture[top : top + 30, left : left + 30] = 255
    Image.fromarray(picture).save(tmp_path / "train" / "blue" / "a.png")
    train, _ = load(tmp_path, image_size=10)
    assert train.input_size == (3, 10, 10)
    assert (train.images[0, :, 1:-1, 1:-1] == 255).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_every_kind_of_image_becomes_rgb(mode, tmp_path):
    make(tmp_path)
    file = tmp_path / "train" / "blue" / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode).save(file)
    assert (load(tmp_path, image_size=8)[0].images[0] == 255).all()


def test_order_is_that_of_the_file_names(tmp_path):
    make(tmp_path)
    for i in range(200):
        Image.new("RGB", (4, 4), (i, i, i)).save(tmp_path / "train" / "blue" / f"{i:03}.png")
    train, _ = load(tmp_path, image_size=4)
    assert train.images[:200, 0, 0, 0].tolist() == list(range(200))


def test_progress_bar(tmp_path, capsys):
    data.load(f"imagefolder:{make(tmp_path)}")
    assert "100%" in capsys.readouterr().err
    load(tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("parts", [(), ("train",), ("test", "val")])
def test_missing_folders(parts, tmp_path):
    with pytest.raises(data.DataError) as caught:
        load(make(tmp_path / "mine", parts))
    assert str(caught.value) == (
        f"{tmp_path / 'mine'} must have the folders train and test (or val), each with a "
        "folder a class"
    )


def test_no_class_folders(tmp_path):
    make(tmp_path, ("train",))
    (tmp_path / "test").mkdir()
    with pytest.raises(data.DataError, match="test: Couldn't find any class folder") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_images(tmp_path):
    make(tmp_path)
    for file in (tmp_path / "test" / "red").iterdir():
        file.rename(file.with_suffix(".txt"))
    with pytest.raises(data.DataError, match="test: Found no valid file for the classes red"):
        load(tmp_path)


def test_different_classes(tmp_path):
    make(tmp_path, ("train",))
    make(tmp_path, ("test",), ("blue", "green"))
    with pytest.raises(data.DataError) as caught:
        load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'test'} and {tmp_path / 'train'} must have the same class folders; "
        "only one of them has green, red"
    )


@pytest.mark.parametrize("file", ["a.png", "c.jpg"])
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_broken_image_is_named(share, file, tmp_path):
    path = make(tmp_path, size=(200, 200)) / "train" / "red" / file
    noise = np.random.RandomState(0).randint(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(data.DataError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path} cannot be read as an image (")
    assert message.endswith("); replace or delete it")
    assert "\n" not in message


@pytest.mark.parametrize("size", [0, -3, 2.5, "64"])
def test_bad_image_size(size, tmp_path):
    with pytest.raises(ValueError, match="image_size must be a positive number of pixels, got"):
        load(make(tmp_path), image_size=size)
