"""Every experiment at its full scale, in pieces, on a CUDA device: what `make gpu-records` runs.

    python scripts/gpu_records.py [--minutes 9] [--data-root FOLDER] [--folder FOLDER] [--plan]

The most valuable runs come first. A call starts no run that would not end in its minutes, and the
next call goes on with what has no record yet. It needs torch, torchvision, pandas, matplotlib and
tqdm, this folder, and the files of Fashion-MNIST below FOLDER as torchvision lays them out
(FashionMNIST/raw/*-ubyte, plain or gzipped). It needs no network and no installed package. On a
machine without this folder's git repository, $CNNBOOK_COMMIT says which commit it is.

Runs whose time is a result have the device to themselves. The others wait for Python more than for
the GPU, so several of them share it, each in a process of its own, and their records say so.

How long the plan takes is estimated by `estimate` from operations, bytes and layers; the first runs
then correct it. Nothing of the estimate is recorded.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from tqdm import tqdm  # noqa: E402

from cnnbook import data, models, profile, records  # noqa: E402
from cnnbook.experiments import TimingTrial, Trial  # noqa: E402
from cnnbook.experiments._mechanism import result_of, run_one  # noqa: E402
from cnnbook.experiments._queue import missing, plan  # noqa: E402
from cnnbook.measuring import traffic  # noqa: E402

# The most valuable first, and whether its runs share the device.
ORDER = {
    "zoo": False,
    "degradation": True,
    "d2l": True,
    "aux-vs-batchnorm": True,
    "preactivation": True,
    "cardinality": True,
    "kernel-stacks": True,
    "stem-search": True,
    "speed": False,
}
WORKERS = 8  # on 16 cores
RESERVE = 10.0  # seconds before the limit at which what still runs is given up
SAFETY = 1.2  # a run must fit in the time left with so much to spare

# What the estimate takes for granted, for an H100 and a server's core.
# Seconds of Python and launches for a layer's forward and backward pass. ResNet-110 and 164 with
# autocast on two images of 8×8 take 70 to 82 µs on an EPYC core of 2024, where launches are calls.
HOST_PER_LAYER = 120e-6
ARITHMETIC = 0.25 * 989e12  # operations a second in bfloat16: a quarter of the data sheet's
BANDWIDTH = 0.7 * 3.35e12  # bytes a second
PASSES = 3  # times that the activations move more often than `traffic` counts: norm, ReLU, sums
START = 2.0  # seconds until a run's first step, the choice of algorithms included
TRAINED, TESTED = 60_000, 10_000  # images of Fashion-MNIST
GAIN = 0.6  # what so many sharing processes gain, of their number; the GPU takes turns


@dataclass(frozen=True)
class Job:
    """A run that has no record yet, and the seconds it is estimated to take by itself."""

    experiment: str
    trial: Trial | TimingTrial
    seconds: float

    def __str__(self) -> str:
        seed = "" if self.trial.seed is None else f", seed {self.trial.seed}"
        return f"{self.experiment} {self.trial.arm}{seed}"


@dataclass
class Clock:
    """The time that is left, and how long runs take by what earlier ones took.

    Attributes:
        deadline: as `time.monotonic` counts; None: no limit.
        ratios: of the seconds taken to those estimated, of each run that ended.
    """

    deadline: float | None
    ratios: list[float] = field(default_factory=list)

    def left(self) -> float:
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()

    def expected(self, job: Job) -> float:
        return job.seconds * (statistics.median(self.ratios) if self.ratios else 1.0)

    def first_that_fits(self, jobs: Sequence[Job]) -> Job | None:
        """The first job, in their order, that is expected to end in the time left."""
        left = self.left()
        return next((job for job in jobs if SAFETY * self.expected(job) <= left), None)


def estimate(trial: Trial | TimingTrial) -> float:
    """Seconds of a run on an H100 by itself, before any was measured.

    A step takes as long as the longer of two: Python's time to launch its layers, and the GPU's for
    its operations and for its memory traffic one after the other.
    """
    layers, flops, moved = cost(trial.architecture, repr(trial.options), _side(trial))
    if isinstance(trial, TimingTrial):
        factor = 3 if trial.training else 1
        host = HOST_PER_LAYER * layers * factor / 3
        calls = 8  # warm-up and the fewest that are timed
        gpu = trial.batch_size * factor * (2 * flops / ARITHMETIC + PASSES * moved / BANDWIDTH)
        slow = 8 if trial.dtype == "float32" else 1
        return 1.5 + max(trial.min_seconds, calls * max(host, slow * gpu))
    recipe = trial.recipe
    images = trial.train_images or TRAINED
    image = 3 * (2 * flops / ARITHMETIC + PASSES * moved / BANDWIDTH)
    step = max(HOST_PER_LAYER * layers, recipe.batch_size * image)
    trained = images * (1 - recipe.validation) / recipe.batch_size * step
    batch = 256
    evaluation = max(HOST_PER_LAYER * layers / 3, batch * image / 3)
    tested = images * recipe.validation / batch * evaluation
    return START + recipe.epochs * (trained + tested) + TESTED / batch * evaluation


def _side(trial: Trial | TimingTrial) -> tuple[int, int, int]:
    if isinstance(trial, TimingTrial):
        return trial.input_size
    side = trial.recipe.image_size or 28
    return (trial.options.get("in_channels", 3), side, side)


@cache
def cost(architecture: str, options: str, size: tuple[int, int, int]) -> tuple[int, int, int]:
    """Layers that a forward pass launches, multiply-adds and bytes in bfloat16 of an image."""
    import ast

    with torch.device("meta"):
        network = models.create(architecture, **ast.literal_eval(options))
    p = profile(network, size, training=True)
    launched = 2 * len(p.layers) + len(p.other)  # each with its activation, and its norm
    moved = traffic(p, 2, 2) - traffic(p, 1, 2)  # without the weights, which a batch shares
    return launched, p.total.flops, moved


def jobs(
    experiments: Sequence[str], scale: str, seeds: Sequence[int], folder: Path | None
) -> list[Job]:
    """What has no record yet: seed by seed, in the order of the experiments."""
    todo = {name: missing(name, scale, seeds, folder) for name in experiments}
    return [
        Job(name, trial, estimate(trial))
        for seed in (*seeds, None)
        for name, trials in todo.items()
        for trial in trials
        if trial.seed == seed
    ]


def phases(todo: Sequence[Job], workers: int) -> Iterator[tuple[list[Job], int]]:
    """The jobs in groups that run one after the other, each with its number of processes."""
    alone_first = [job for job in todo if not ORDER[job.experiment] and job.trial.seed is not None]
    sharing = [job for job in todo if ORDER[job.experiment]]
    alone_last = [job for job in todo if not ORDER[job.experiment] and job.trial.seed is None]
    yield from ((alone_first, 1), (sharing, workers), (alone_last, 1))


def wall_seconds(todo: Sequence[Job], workers: int) -> float:
    """How long all of them are estimated to take."""
    total = 0.0
    for group, number in phases(todo, workers):
        total += sum(job.seconds for job in group) / (GAIN * number if number > 1 else 1)
    return total


class Worker:
    """A process that runs one job after the other and records them."""

    def __init__(self, scale: str, device: str, folder: Path | None, shared: int):
        context = multiprocessing.get_context("spawn")  # CUDA survives no fork
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, scale, device, folder, shared)
        self.process = context.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()  # so that the pipe ends when the process does
        self.job: Job | None = None
        self.began = 0.0

    def start(self, job: Job) -> None:
        self.job, self.began = job, time.monotonic()
        self.pipe.send((job.experiment, job.trial))

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def work(pipe: Connection, scale: str, device: str, folder: Path | None, shared: int) -> None:
    """In a process of its own: run what comes through the pipe, and answer with a line each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C the first process takes care
    tqdm.set_lock(threading.RLock())  # its own would outlive a process that is stopped
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // shared))
    while True:
        try:
            name, trial = pipe.recv()
        except EOFError:
            return
        try:
            record = run_one(name, scale, trial, torch.device(device), False, shared)
            records.save(record, folder)
            pipe.send((True, result_of(record)))
        except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
            pipe.send((False, " ".join(str(error).split())))


def run_group(
    todo: list[Job], clock: Clock, make: Callable[[], Worker], number: int
) -> tuple[int, int]:
    """Run the jobs that fit in the time left, several at once; how many ended, and failed."""
    waiting, ended, failed = list(todo), 0, 0
    workers: list[Worker] = []
    idle: list[Worker] = []
    try:
        while True:
            while (job := clock.first_that_fits(waiting)) and (idle or len(workers) < number):
                if not idle:
                    workers.append(make())
                    idle.append(workers[-1])
                waiting.remove(job)
                idle.pop().start(job)
            busy = {worker.pipe: worker for worker in workers if worker.job}
            if not busy:
                return ended, failed
            ready = wait(list(busy), timeout=max(0.0, min(clock.left(), 3600)))
            if not ready and clock.left() <= 0:
                for worker in busy.values():
                    print(f"{worker.job}: given up, the time is over", flush=True)
                return ended, failed
            for worker in map(busy.get, ready):
                good, line = _answer(worker)
                seconds = time.monotonic() - worker.began
                if good:
                    clock.ratios.append(seconds / worker.job.seconds)
                ended, failed = ended + good, failed + (not good)
                print(f"{worker.job.experiment} {line}" if good else f"{worker.job}: {line}",
                      f"({len(waiting)} of this group not started)", flush=True)  # fmt: skip
                worker.job = None
                if worker.process.is_alive():
                    idle.append(worker)
                else:
                    workers.remove(worker)
    finally:
        for worker in workers:
            worker.stop()


def _answer(worker: Worker) -> tuple[bool, str]:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        return False, f"its process ended with status {worker.process.exitcode}"


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    start = time.monotonic()
    if options.data_root is not None:
        os.environ["CNNBOOK_DATA"] = str(options.data_root.resolve())
    try:
        todo = jobs(options.only, options.scale, options.seeds, options.folder)
    except ValueError as error:
        return _refuse(str(error))
    total = sum(len(plan(name, options.scale, options.seeds)) for name in options.only)
    if options.plan:
        print_plan(todo, options.workers)
        return 0
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        return _refuse("no CUDA device here; nothing was run")
    try:
        for name in {job.trial.data for job in todo if isinstance(job.trial, Trial)}:
            data.load(name, download=False)
    except ValueError as error:
        return _refuse(f"{error} (or name the folder that has it with --data-root)")
    limit = None if options.minutes is None else start + 60 * options.minutes - RESERVE
    clock, ended, failed = Clock(limit), 0, 0
    print(f"{len(todo)} of {total} runs have no record yet", flush=True)
    for group, number in phases(todo, options.workers):

        def make(shared: int = number) -> Worker:
            return Worker(options.scale, options.device, options.folder, shared)

        counts = run_group(group, clock, make, number)
        ended, failed = ended + counts[0], failed + counts[1]
    left = len(todo) - ended
    print(f"{ended} runs recorded in {(time.monotonic() - start) / 60:.1f} minutes; ", end="")
    print(f"{left} left, run it again" if left else "all are on record")
    return 1 if failed else 0


def print_plan(todo: Sequence[Job], workers: int) -> None:
    """The experiments in their order: runs left, and estimated minutes."""
    for name in dict.fromkeys(job.experiment for job in todo):
        mine = [job for job in todo if job.experiment == name]
        how = f"{workers} at a time" if ORDER[name] else "one at a time"
        minutes = wall_seconds(mine, workers) / 60
        print(f"{name:<18}{len(mine):>4} runs, {how:<14} about {minutes:5.1f} min")
    print(f"{len(todo)} runs, about {wall_seconds(todo, workers) / 60:.0f} min on an H100")


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description="Run what has no record yet on a CUDA device.")
    found.add_argument("--minutes", type=float, metavar="M", help="end within so many minutes")
    found.add_argument("--data-root", type=Path, metavar="FOLDER", help="has FashionMNIST/raw")
    found.add_argument("--folder", type=Path, help="of the records, instead of in the package")
    found.add_argument("--plan", action="store_true", help="only say what would run, and how long")
    found.add_argument("--only", nargs="+", choices=list(ORDER), default=list(ORDER))
    found.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    found.add_argument("--workers", type=int, default=WORKERS, help="processes that share it")
    found.add_argument("--scale", choices=records.SCALES, default="full")
    found.add_argument("--device", default="cuda:0")
    return found


def _refuse(reason: str) -> int:
    print(f"gpu_records: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("gpu_records: stopped; the same call goes on", file=sys.stderr)
        sys.exit(130)
