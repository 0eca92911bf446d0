"""Whether network, images and recipe fit together, found before any training, and
which batch fits if memory does not suffice."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cnnbook._arguments import short
from cnnbook.data import ImageSet, ImageStream
from cnnbook.training import distributed
from cnnbook.training.images import Normalise
from cnnbook.training.recipe import Recipe, loss_of, main_logits


def check_fit(
    model: nn.Module,
    train: ImageSet | ImageStream,
    test: ImageSet | ImageStream | None,
    recipe: Recipe,
) -> tuple[ImageSet | ImageStream, ImageSet | ImageStream]:
    """The training and the validation images, if they and the recipe fit together.

    Raises:
        ValueError: in one line, if it does not.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"model must be a torch.nn.Module, got {short(model)}; "
            "models.create(name, …) builds one"
        )
    if not isinstance(recipe, Recipe):
        raise ValueError(f"recipe must be a Recipe or None, got {short(recipe)}")
    for name, part in (("train", train), ("test", test)):
        if not isinstance(part, ImageSet | ImageStream) and not (
            name == "test" and part is None
        ):
            raise ValueError(
                f"{name} must be an ImageSet or an ImageStream, as data.load "
                f"returns two of them, got {type(part).__name__}"
            )
    if test is not None and (
        test.classes != train.classes or test.input_size[0] != train.input_size[0]
    ):
        raise ValueError(
            "the test images must have the channels and classes of the training "
            f"images, got {test!r} for {train!r}"
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(f"{type(model).__name__} has no parameters to train")
    validation = train.validation
    if validation is None:
        train, validation = train.split(recipe.validation, recipe.seed)
    if recipe.batch_size > len(train):
        raise ValueError(
            f"batch_size {recipe.batch_size} is more than the {len(train)} "
            "training images"
        )
    if recipe.fixed_images > len(train):
        raise ValueError(
            f"fixed_images {recipe.fixed_images} is more than the {len(train)} "
            "training images"
        )
    if recipe.batch_size < (processes := distributed.world()[1]):
        raise ValueError(
            f"batch_size {recipe.batch_size} is less than the {processes} processes"
        )
    return train, validation


def check_images(
    model: nn.Module,
    normalise: Normalise,
    train: ImageSet | ImageStream,
    validation: ImageSet | ImageStream,
    test: ImageSet | ImageStream | None,
) -> None:
    """Run `model`, which stays as and where it is, on an image of each size.

    Raises:
        ValueError: in one line, if it cannot take one, or gives another number of
            classes.
    """
    normalise = normalise.on(next(model.parameters()).device)
    _check_one_image(model, train, normalise)
    for name, part in (("validation", validation), ("test", test)):
        if part is not None and part.input_size != train.input_size:
            try:
                _check_one_image(model, part, normalise)
            except ValueError as error:
                raise ValueError(
                    f"the {name} images do not fit: {error}"
                ) from error


@torch.no_grad()
def _check_one_image(
    model: nn.Module, train: ImageSet | ImageStream, normalise: Normalise
) -> None:
    name, classes = type(model).__name__, train.num_classes
    image = train.take(torch.tensor([0]))
    modes = {module: module.training for module in model.modules()}
    try:
        image = normalise(image.to(normalise.device))
        logits = main_logits(model.eval()(image))
    except (RuntimeError, MemoryError) as error:
        if is_shortage(error):
            side = f" at image_size={normalise.size[0]}" if normalise.size else ""
            raise ValueError(
                f"memory does not suffice for a single image{side}; choose a "
                "smaller image_size"
            ) from error
        first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
        if first is not None and first.in_channels != image.shape[1]:
            reason = f"its first layer has in_channels={first.in_channels}"
            reason += f", the images have {image.shape[1]}"
        else:
            reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{name} cannot take images of {_sizes(image)}: {reason}"
        ) from error
    finally:
        for module, mode in modes.items():
            module.training = mode
    if logits.shape != (1, classes):
        raise ValueError(
            f"{train.name} has {classes} classes, but {name} gives "
            f"{_sizes(logits)} values an image; build it with num_classes={classes}"
        )


def _sizes(batch: Tensor) -> str:
    return "×".join(map(str, batch.shape[1:]))


# What torch says in errors that have no class of their own: of the CPU's
# allocators, of the driver and its libraries, and of sizes that no number holds.
SHORTAGE = (
    "DefaultCPUAllocator",
    "not enough memory",
    "can't allocate memory",
    "out of memory",
    "_STATUS_ALLOC_FAILED",
    "Storage size calculation overflowed",
)


def is_shortage(error: BaseException) -> bool:
    """Whether memory ran out, of a GPU or of the machine."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(
        word in str(error) for word in SHORTAGE
    )


@contextmanager
def room_for_all(
    model: nn.Module, train: ImageSet | ImageStream, device: torch.device
) -> Iterator[None]:
    """Turn a shortage of memory, while network and images come to the device, into
    one line.

    Raises:
        ValueError: instead of what torch raises.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        size = sum(t.nbytes for t in model.state_dict().values())
        what, advice = "the network", "choose another device"
        if isinstance(train, ImageSet):
            size += train.images.nbytes
            what += f" and {len(train):,} images"
            advice += ", or fewer images, or a stream of them"
        raise ValueError(
            f"{device} has not enough memory for {what}, {size / 2**20:,.0f} MiB; "
            f"{advice}"
        ) from None


@contextmanager
def enough_memory(
    model: nn.Module,
    input_size: tuple[int, int, int],
    batch_size: int,
    mixed: torch.autocast,
) -> Iterator[None]:
    """Turn a shortage of memory in a step into one line that names a batch size
    that was tried and fits.

    Args:
        model: the network, on its device.
        input_size: (C, H, W) as it reads images.
        batch_size: images a step.
        mixed: the precision in which it trains.

    Raises:
        ValueError: instead of what torch raises.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
    else:
        return
    # Outside of `except`, whose error keeps all that was allocated when it came up.
    device = next(model.parameters()).device
    size = "×".join(map(str, input_size))
    line = (
        f"{device} has not enough memory for batches of {batch_size} images {size}"
    )
    if distributed.world()[1] > 1:
        raise ValueError(f"{line}; choose a smaller batch_size")

    def step(images: int) -> None:
        trial = copy.deepcopy(model).train()  # the network keeps its statistics
        with mixed:
            outputs = trial(torch.zeros(images, *input_size, device=device))
        labels = torch.zeros(images, dtype=torch.long, device=device)
        loss_of(trial, outputs, labels, 0.0).backward()

    model.zero_grad(set_to_none=True)
    fits = largest_that_fits(step, batch_size // 2)
    if not fits:
        raise ValueError(
            f"{line}, nor of a single one; choose a smaller image_size"
        )
    raise ValueError(f"{line}; batch_size={fits} fits")


def largest_that_fits(step: Callable[[int], object], most: int) -> int:
    """Of `most`, its half, its quarter, …: the first batch of which `step` has
    memory enough; 0 if there is none."""
    while most:
        torch.cuda.empty_cache()
        try:
            step(most)
        except Exception as error:
            if not is_shortage(error):
                raise
        else:
            return most
        most //= 2
    return 0
