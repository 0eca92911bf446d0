"""One progress bar for terminals and notebooks."""

from __future__ import annotations

import sys

from tqdm import tqdm


class _NotebookLine:
    """A file that shows the last line written to it in a notebook's output, and
    keeps only that.

    A notebook's standard error keeps every state of the bar, and tqdm's own
    notebook bar needs ipywidgets in the kernel and in the page.
    """

    encoding = "utf-8"  # by which tqdm knows that it may draw with blocks

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        if line := text.strip():
            self.handle.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        pass


def progress_bar(images: int, shown: bool) -> tqdm:
    """A bar over so many images: the share done, time left, images a second.

    In a terminal it is drawn on standard error, in a notebook as one line of
    output; a log file or a pipe gets none.
    """
    # A notebook's shell has a kernel; a terminal's IPython has none.
    shell = (
        sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    )
    if shown and getattr(shell, "kernel", None) is not None:
        return tqdm(
            total=images,
            unit=" images",
            mininterval=0.5,
            file=_NotebookLine(),
            ncols=80,
        )
    # tqdm draws nothing where disable=None and standard error is no terminal.
    disable = None if shown else True
    return tqdm(
        total=images,
        unit=" images",
        mininterval=0.5,
        dynamic_ncols=True,
        disable=disable,
    )
