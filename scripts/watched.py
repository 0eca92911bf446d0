"""Notebooks executed without a limit of time: a slow machine is no error, a stuck kernel is one.

A kernel that neither prints nor computes for a quarter of an hour waits for something that will
not come. It is killed, and the error names the cell. A cell that takes long is named as it runs.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress

import nbformat
import psutil
from nbclient import NotebookClient

STILL = 15 * 60.0  # seconds without a sign of life
LOOKS = 5.0  # seconds between two looks at the kernel
# A kernel warns that it is not encrypted; it talks to nobody but this process.
QUIET = ("--log-level=ERROR",)
SLOW = 20.0  # seconds after which a cell is named, and again after each such time
# Share of one core below which a kernel only waits: its own timers take less.
IDLE = 0.005


class Stuck(RuntimeError):
    """A cell whose kernel neither printed nor computed; the message names it."""


class WatchedClient(NotebookClient):
    """A client that executes cells for as long as their kernel does something.

    Attributes:
        title: what the notebook is called in messages.
        still, looks, slow: seconds, as above.
    """

    def __init__(self, notebook: nbformat.NotebookNode, title: str, **options):
        quietly = {"timeout": None, "extra_arguments": list(QUIET)}
        super().__init__(notebook, **quietly | options)
        self.title = title
        self.still, self.looks, self.slow = STILL, LOOKS, SLOW
        self._cell: int | None = None
        self._alive = self._began = time.monotonic()
        self._stuck: str | None = None
        self._done = threading.Event()

    def execute(self, *args, **kwargs) -> nbformat.NotebookNode:
        """As `NotebookClient.execute`. Raises Stuck for a cell that hangs."""
        watch = threading.Thread(target=self._watch, daemon=True)
        watch.start()
        try:
            return super().execute(*args, **kwargs)
        except Exception as error:
            if self._stuck is None:
                raise
            raise Stuck(self._stuck) from error
        finally:
            self._done.set()
            watch.join()

    async def async_start_new_kernel_client(self, **options):
        try:
            return await super().async_start_new_kernel_client(**options)
        except RuntimeError:  # it died at once: another process had taken one of its ports
            self.create_kernel_manager()
            await self.async_start_new_kernel()
            return await super().async_start_new_kernel_client(**options)

    async def async_execute_cell(self, cell, cell_index, *args, **kwargs):
        self._cell, self._alive, self._began = cell_index, time.monotonic(), time.monotonic()
        try:
            return await super().async_execute_cell(cell, cell_index, *args, **kwargs)
        finally:
            self._cell = None

    def process_message(self, msg, cell, cell_index):
        self._alive = time.monotonic()
        return super().process_message(msg, cell, cell_index)

    def _watch(self) -> None:
        computed, named = 0.0, 0
        while not self._done.wait(self.looks):
            cell = self._cell
            if cell is None or (process := self._kernel()) is None:
                continue
            now = time.monotonic()
            spent = _seconds_computed(process)
            if spent - computed > IDLE * self.looks or spent < computed:
                self._alive = now
            computed = spent
            if now - self._began < self.slow:
                named = 0
            elif (turn := int((now - self._began) / self.slow)) > named:
                named = turn
                line = f"{self.place(cell)}: {now - self._began:.0f} s"
                print(line, file=sys.stderr, flush=True)
            if now - self._alive > self.still:
                self._stuck = (
                    f"{self.place(cell)}: its kernel neither printed nor computed for "
                    f"{self.still / 60:g} minutes"
                )
                with suppress(psutil.Error):
                    process.kill()
                return

    def _kernel(self) -> psutil.Process | None:
        pid = getattr(getattr(self.km, "provisioner", None), "pid", None)
        with suppress(psutil.Error):
            return psutil.Process(pid) if pid else None
        return None

    def place(self, cell: int) -> str:
        """Which cell of which notebook, and how it begins."""
        lines = self.nb.cells[cell].source.strip().splitlines() or [""]
        first = next((line for line in lines if not line.startswith(("#", "%"))), lines[0])
        return f"{self.title}, cell {cell + 1} of {len(self.nb.cells)} ({first[:60]})"


def _seconds_computed(process: psutil.Process) -> float:
    """The processor time of a kernel and of all that it started."""
    total = 0.0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                times = each.cpu_times()
                total += times.user + times.system
    return total
