"""One progress bar for terminals and notebooks."""

from __future__ import annotations

import sys

from tqdm import tqdm


class _NotebookLine:
    """A file that shows the last line written to it in a notebook's output, and keeps only that.

    A notebook's standard error keeps every state of the bar, and tqdm's own notebook bar needs
    ipywidgets in the kernel and in the page.
    """

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        if line := text.strip():
            self.handle.update({"text/plain": line}, raw=True)

    def flush(self) -> None:
        pass


def progress_bar(total: int, shown: bool) -> tqdm:
    """A bar over `total` images."""
    in_notebook = "ipykernel" in sys.modules
    file = _NotebookLine() if shown and in_notebook else None
    columns = 88 if in_notebook else None
    return tqdm(
        total=total, unit=" images", disable=not shown, file=file, ncols=columns,
        ascii=False, mininterval=0.5, dynamic_ncols=not in_notebook,
    )  # fmt: skip
