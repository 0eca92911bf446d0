"""Make cnnbook/data/fashion_mnist_mini.npy.xz from the full Fashion-MNIST, byte for byte.

    python scripts/make_fashion_mnist_mini.py [--root FOLDER] [--output FILE]

Training and validation images are drawn without replacement from the training split, the test
images from the test split, the same number of each class. The classes take turns: image k is of
class k mod 10. numpy promises that the stream of RandomState never changes; liblzma 5.4 and 5.8
pack the images into the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import lzma
import sys
from pathlib import Path

import numpy as np

from cnnbook import data
from cnnbook._files import write_whole
from cnnbook.data import fashion_mnist, fashion_mnist_mini

SEED = 2017


def draw(labels: np.ndarray, per_class: int, chance: np.random.RandomState) -> np.ndarray:
    """The indices of `per_class` images of each class, the classes taking turns."""
    by_class = [
        chance.permutation(np.flatnonzero(labels == label))[:per_class]
        for label in range(len(fashion_mnist.CLASSES))
    ]
    return np.stack(by_class, axis=1).ravel()


def pack(train: data.ImageSet, test: data.ImageSet) -> bytes:
    """The content of the file: the images drawn from the full data set, 14,000 × 28 × 28."""
    chance = np.random.RandomState(SEED)
    sizes, classes = fashion_mnist_mini.SIZES, len(fashion_mnist.CLASSES)
    # Training and validation in one draw, so that no image is in both.
    per_class = (sizes["train"] + sizes["validation"]) // classes
    from_train = draw(train.labels.numpy(), per_class, chance)
    from_test = draw(test.labels.numpy(), sizes["test"] // classes, chance)
    images = np.concatenate([train.images.numpy()[from_train], test.images.numpy()[from_test]])
    content = io.BytesIO()
    np.save(content, images.squeeze(1))
    return lzma.compress(content.getvalue(), preset=6)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder of downloaded data sets")
    parser.add_argument("--output", type=Path, default=fashion_mnist_mini.PATH)
    options = parser.parse_args(arguments)
    try:
        packed = pack(*data.load(fashion_mnist.NAME, root=options.root))
        write_whole(options.output, lambda part: part.write_bytes(packed))
    except (data.DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    sha256 = hashlib.sha256(packed).hexdigest()
    same = "as" if sha256 == fashion_mnist_mini.SHA256 else "NOT as"
    print(f"{options.output}: {len(packed):,} bytes, SHA-256 {sha256}, {same} in the package")
    return 0


if __name__ == "__main__":
    sys.exit(main())
