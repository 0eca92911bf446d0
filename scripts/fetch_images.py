"""The whole of Fashion-MNIST, which some tests read: Debian's package, or else the download."""

from __future__ import annotations

import sys

import debian

from cnnbook import data
from cnnbook.data import fashion_mnist, storage


def main() -> None:
    """Fetch the images if they are nowhere; say so if they cannot be had."""
    if fashion_mnist.find(storage.default_root()) or debian.install(fashion_mnist.DEBIAN_PACKAGE):
        return
    try:
        data.load(fashion_mnist.NAME)
    except data.DataError as error:
        print(f"{error}; the tests that need it will fail", file=sys.stderr)


if __name__ == "__main__":
    main()
