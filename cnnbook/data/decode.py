"""From the bytes of an image file to eight bits of red, green and blue, whatever
the file holds.

What is no plain RGB has one meaning here, in memory and in a stream alike:

- Grey of 9 … 16 bits keeps its upper eight, as Pillow reads colours of 16 bits. How
  many bits there are, a TIFF says; other formats fill all 16.
- What is transparent shows white behind it: RGBA, grey with alpha, a palette's
  entry.
- A photograph that says how it was held (EXIF) is turned upright.
- Of an animation or a file of several pages, the first is read.
- CMYK and other colour spaces are converted as Pillow does, without colour
  profiles.
- Values without a known range (float, signed or 32-bit: HDR, science) are an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

# The names' endings of images in folders: torchvision's, GIF, and JPEG's as
# Windows saves it from web pages.
SUFFIXES = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
    ".gif", ".jfif",
)  # fmt: skip
ORIENTATION = 0x0112  # of EXIF
PHOTOMETRIC, BITS, MAXIMUM, SAMPLE_FORMAT = 262, 258, 281, 339  # of TIFF


def fit_to(size: int) -> Callable[[Image], Tensor]:
    """An image → uint8 3 × `size` × `size`: the shorter side is resized, the centre
    cropped."""
    from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize

    return Compose([Resize(size), CenterCrop(size), PILToTensor()])


def read_rgb(file: str | IO[bytes], fit: Callable[[Image], Tensor]) -> Tensor:
    """The image in `file` as RGB, through `fit`.

    Raises:
        ValueError: if its values have no known range.
        Exception: whatever Pillow raises for what it cannot read.
    """
    from PIL import Image

    with Image.open(file) as image:
        return fit(_rgb(_upright(image)))


def _upright(image: Image) -> Image:
    from PIL.Image import Transpose

    try:
        turned = image.getexif().get(ORIENTATION)
    except Exception:  # EXIF of broken software: the picture itself may be whole
        turned = None
    turns: dict[int | None, Transpose] = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    if turned not in turns:
        return image
    upright: Any = image.transpose(turns[turned])
    # What `_rgb` asks the file about is not copied.
    upright.format, upright.tag_v2 = image.format, getattr(image, "tag_v2", {})
    return upright


def _rgb(image: Image) -> Image:
    from PIL import Image as pillow

    if image.mode == "F" or image.mode.startswith("I"):
        return pillow.fromarray(_upper_eight_bits(image)).convert("RGB")
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    if not has_alpha and "transparency" not in image.info:
        return image.convert("RGB")
    if image.mode == "La":  # for which Pillow knows one conversion only
        image = image.convert("LA")
    image = image.convert("RGBA")
    white = pillow.new("RGBA", image.size, "white")
    return pillow.alpha_composite(white, image).convert("RGB")


def _upper_eight_bits(image: Image) -> np.ndarray:
    """Grey values of 9 … 16 bits as uint8, H × W."""
    tags = getattr(image, "tag_v2", None) or {}
    # Pillow gives 16 bits of PNG and of PGM as 32; of TIFF such a mode is what it
    # says.
    known = image.mode.startswith("I;16") or image.format in (
        "PNG",
        "PPM",
        "JPEG2000",
    )
    if not known or _first(tags.get(SAMPLE_FORMAT, 1)) != 1:
        kind = "float" if image.mode == "F" else "signed or 32-bit"
        raise ValueError(
            f"its values are {kind}, without a known range; save it with 8 or 16 "
            "bits"
        )
    # A maximum of 0 is that of writers that do not know it.
    maximum = int(_first(tags.get(MAXIMUM, 0))) or 65535
    bits = min(_first(tags.get(BITS, 16)), maximum.bit_length())
    values = np.asarray(image).astype(np.int64)
    values = np.clip(values >> max(0, bits - 8), 0, 255).astype(np.uint8)
    # In a TIFF 0 means that white is zero.
    return 255 - values if tags.get(PHOTOMETRIC) == 0 else values


def _first(value):
    return value[0] if isinstance(value, tuple) else value
