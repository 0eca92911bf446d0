"""Compute what each single part of the trained networks is worth: a JSON beside each weights file.

    python scripts/make_lesions.py [NAME ...] [--kinds block,branch,layer]

Each block, shortcut, branch or layer of a network is switched off alone, and the 10,000 test images
of Fashion-MNIST are classified without it (`cnnbook.interpret.lesions`). The live page and the
chapter on ResNet show the tables. It goes kind by kind, and a kind that a file has for the same
weights is not computed again: stop it when you like, the same call goes on. The 37 parts of
resnet20 take about six minutes on one quiet core, and less than 2 GB.
"""

from __future__ import annotations

import argparse
import sys

import pandas as pd
import torch

from cnnbook import data, models
from cnnbook._files import write_whole
from cnnbook.interpret import lesions, live, shipped_lesions
from cnnbook.interpret.graph import graph
from cnnbook.interpret.lesions import as_json, beside, parts
from cnnbook.training.images import Normalise

KINDS = ("block", "branch", "shortcut", "layer")


def known(name: str) -> pd.DataFrame | None:
    """What there is for the weights that ship now."""
    try:
        return shipped_lesions(name)
    except ValueError:
        return None


def add(name: str, kind: str, test: data.ImageSet) -> None:
    """Add the parts of one kind to the table of a network, unless they are there."""
    weights, table = models.weights(name)[live.DATA], known(name)
    side = weights.image_size
    model = models.create(name, weights=live.DATA)
    order = [""] + [part.name for part in parts(graph(model, (1, side, side)))]
    if table is not None and kind in set(table["kind"]):
        return
    if not any(part.startswith(f"{kind} ") for part in order):
        return
    mean, std = torch.tensor(weights.mean), torch.tensor(weights.std)
    prepare = Normalise(mean, std, side, "cpu")
    model.to(memory_format=torch.channels_last)  # a sixth faster here
    found = lesions(model, test.images, test.labels, prepare, (kind,))
    count = len(found) - 1
    if table is not None:
        found = pd.concat([table, found.iloc[1:]])
    found = found.loc[[part for part in order if part in found.index]]
    about = {"architecture": name, "data": live.DATA}
    text = as_json(found, len(test.labels), weights.path, **about)
    path = beside(weights.path)
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
    print(f"{path}: {count} parts of {name}, each a {kind}", flush=True)


def main(names: list[str], kinds: tuple[str, ...]) -> None:
    _, test = data.load(live.DATA)
    for kind in kinds:
        for name in names:
            add(name, kind, test)


if __name__ == "__main__":
    shipped = [name for name in models.names() if live.DATA in models.weights(name)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(shipped) or '-'}")
    parser.add_argument("--kinds", default=",".join(KINDS))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(shipped):
        sys.exit(f"no trained weights ship for {', '.join(sorted(unknown))}")
    kinds = tuple(arguments.kinds.split(","))
    if unknown := set(kinds) - set(KINDS):
        sys.exit(f"no kind of part is {sorted(unknown)[0]!r}; there is {', '.join(KINDS)}")
    main(arguments.names or shipped, kinds)
