"""Make the photographs of cnnbook/data/photographs from those of scikit-image.

    python scripts/make_photographs.py FOLDER

FOLDER holds the files of ``skimage/data``: astronaut.png, chelsea.png, coffee.png
and rocket.jpg, as scikit-image's wheel has them. They are encoded as JPEG of
quality 92, without a change of size.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from pathlib import Path

from PIL import Image

from cnnbook._files import write_whole
from cnnbook.data import photographs

SOURCES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
QUALITY = 92


def encode(path: Path) -> bytes:
    """The picture at `path` as JPEG, without what a camera wrote beside it."""
    content = io.BytesIO()
    with Image.open(path) as picture:
        plain = picture.convert("RGB")
    plain.info.clear()
    plain.save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="skimage/data")
    parser.add_argument("--output", type=Path, default=photographs.FOLDER)
    options = parser.parse_args(arguments)
    for source in SOURCES:
        target = options.output / f"{Path(source).stem}.jpg"
        try:
            content = encode(options.folder / source)
            write_whole(target, lambda part, content=content: part.write_bytes(content))
        except OSError as error:
            print(error, file=sys.stderr)
            return 2
        sha256 = hashlib.sha256(content).hexdigest()
        print(f"{target}: {len(content):,} bytes, SHA-256 {sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
