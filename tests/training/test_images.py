import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as TF

from cnnbook.training import Recipe
from cnnbook.training.images import Normalise, crop, flip
from cnnbook.training.recipe import make_normalise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=[torch.uint8, torch.float32])
def images(request):
    """300 colour images, not square, each unlike its mirror image."""
    return torch.randint(1, 256, (300, 3, 16, 24), generator=generator(1)).to(request.param)


def test_flip_mirrors_about_half_of_the_images(images):
    flipped = flip(images, generator())
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert torch.equal(mirrored, ~(flipped == images).flatten(1).all(1))
    assert 110 < mirrored.sum() < 190
    assert flipped.dtype == images.dtype


def test_crop_is_a_window_of_the_padded_image(images):
    margin = 2  # an eighth of 16
    cropped = crop(images, generator())
    assert cropped.dtype == images.dtype and cropped.shape == images.shape
    padded = F.pad(images, (margin,) * 4)
    shifts = set()
    for before, after in zip(padded, cropped, strict=True):
        found = [
            (top, left)
            for top in range(2 * margin + 1)
            for left in range(2 * margin + 1)
            if torch.equal(after, before[:, top : top + 16, left : left + 24])
        ]
        assert len(found) == 1
        shifts.update(found)
    assert len(shifts) == 25


@pytest.mark.parametrize("augment", [flip, crop])
def test_augmentation_repeats_with_its_generator(images, augment):
    assert torch.equal(augment(images, generator(3)), augment(images, generator(3)))
    assert not torch.equal(augment(images, generator(3)), augment(images, generator(4)))


def test_normalise_gives_zero_mean_and_unit_deviation(sets):
    train, _ = sets
    normalised = Normalise(*train.mean_std(), None, "cpu")(train.images)
    assert normalised.dtype == torch.float32
    assert normalised.mean().abs() < 1e-4
    assert (normalised.std() - 1).abs() < 1e-4


def test_normalise_is_per_channel():
    images = torch.randint(256, (2, 3, 4, 5), generator=generator(), dtype=torch.uint8)
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.4, 0.5, 0.6])
    expected = TF.normalize(images.float() / 255, mean.tolist(), std.tolist())
    torch.testing.assert_close(Normalise(mean, std, None, "cpu")(images), expected)


@pytest.mark.parametrize("size", [14, 64])
def test_normalise_resizes_with_antialiasing(sets, size):
    train, _ = sets
    mean, std = train.mean_std()
    images = train.images[:8]
    resized = TF.resize(images.float() / 255, [size, size], antialias=True)
    expected = TF.normalize(resized, mean.tolist(), std.tolist())
    found = Normalise(mean, std, size, "cpu")(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_channel_of_one_grey_level_stays_finite():
    images = torch.full((2, 1, 4, 4), 9, dtype=torch.uint8)
    normalised = Normalise(torch.tensor([9 / 255]), torch.tensor([0.0]), None, "cpu")(images)
    assert normalised.abs().max() < 1e-4


def test_a_recipe_may_leave_pixels_in_zero_to_one(sets):
    train, _ = sets
    plain = make_normalise(train, Recipe(normalise=False), "cpu")(train.images)
    torch.testing.assert_close(plain, train.images / 255)
    normalised = make_normalise(train, Recipe(image_size=14), "cpu")(train.images)
    assert normalised.mean().abs() < 0.02 and normalised.shape[-2:] == (14, 14)
