"""Which runs of an experiment are left, and how several processes share them.

A run is claimed by a lock on its folder of checkpoints, which the system gives back
when the process ends, however it ends. So the same experiment may be called twice
at once, or killed: each run is made once, and one that was stopped goes on from its
last epoch.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from cnnbook import records
from cnnbook.experiments._mechanism import (
    Experiment,
    Trial,
    check_recorded,
    find,
    result_of,
    run_one,
)
from cnnbook.experiments._timing import TimingTrial
from cnnbook.measuring import NotEnoughMemory
from cnnbook.models import pretrained
from cnnbook.records import Record, Timing
from cnnbook.records.store import read_all, run_name, save_plan
from cnnbook.training.device import find_device

# Beside the records: checkpoints and locks of what runs now, or was stopped.
WORK = ".work"
PATIENCE = 2.0  # seconds between two looks at what other processes are doing
BUSY = 0.5  # the load above which a machine is not quiet
COOLING = 300.0  # seconds in which the load of a run before is forgotten


def run(
    name: str | Sequence[str],
    scale: str = "quick",
    device: str = "auto",
    seeds: Sequence[int] | None = None,
    limit_seconds: float | None = None,
    progress: bool = True,
    *,
    jobs: int | None = None,
    folder: str | os.PathLike | None = None,
) -> tuple[Record | Timing, ...]:
    """Run what has no record yet, and return all runs on record at this scale.

    Each run is recorded when it ends: after an interruption the next call goes on
    with the others, and with a training that was stopped from its last epoch. First
    come the runs that choose learning rates, then one seed of everything, then the
    next.

    Args:
        name: the experiment, or several.
        scale: "quick" (minutes on two CPU cores), "standard" (hours) or "full" (one
            GPU).
        device: "auto" (a GPU where there is one) or a torch device.
        seeds: each trial is run with each of these, as seed of the weights and of
            the recipe; what is only timed is run once. By default those that the
            experiment states.
        limit_seconds: start no run that is not expected to end within so many
            seconds from now, going by the longest run of its trial so far, or else
            of any; None: no limit.
        progress: show progress bars (of one process) and a line for each run.
        jobs: so many processes at once; None: this one.
        folder: where the records are kept, instead of among those of the book.

    Raises:
        ValueError: if a name is unknown, a trial cannot be run, `jobs` is not
            positive, or a record on file was made with other settings than the
            experiment has now; or if a run needs the machine for itself and others
            use it.
        FloatingPointError: if a run's loss is not finite.
    """
    names = (name,) if isinstance(name, str) else tuple(name)
    if not names:
        raise ValueError("name at least one experiment")
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise ValueError(f"jobs must be a positive integer, got {jobs!r}")
    queue = Queue(
        names, scale, None if seeds is None else tuple(seeds), _path(folder)
    )
    queue.check()
    alone = [each.name for each in queue.experiments if each.alone]
    if alone and jobs not in (None, 1):
        raise ValueError(
            f"{alone[0]} is timed: one run at a time, so leave out jobs={jobs}"
        )
    place = find_device(device)
    deadline = None if limit_seconds is None else time.monotonic() + limit_seconds
    if jobs in (None, 1):
        work(queue, place, deadline, progress)
    else:
        _work_together(jobs, queue, str(place), deadline, progress)
    return tuple(found for each in names for found in read_all(each, scale, folder))


def plan(
    name: str, scale: str, seeds: Sequence[int] | None = None
) -> list[Trial | TimingTrial]:
    """Every result of an experiment at a scale, seed by seed; a timing once.

    A learning rate that is still to be chosen is that of the recipe.
    """
    found = find(name)
    stated = found.seeds_at(scale)
    seeds = stated if seeds is None else seeds
    runs = [
        trial.with_seed(seed) for seed in seeds for trial in found.trials(scale)
    ]
    return list({(run.arm, run.seed): run for run in runs}.values())


def missing(
    name: str,
    scale: str,
    seeds: Sequence[int] | None = None,
    folder: str | os.PathLike | None = None,
) -> list[Trial | TimingTrial]:
    """Of the runs that could start now, those without a record.

    Raises:
        ValueError: if a record on file was made with other settings than the
            experiment has now.
    """
    return look(name, scale, seeds, folder).ready


@dataclass(frozen=True)
class Left:
    """What an experiment lacks: runs that could start, and how many must wait for a
    choice."""

    ready: list[Trial | TimingTrial]
    waiting: int

    def __len__(self) -> int:
        return len(self.ready) + self.waiting


def look(
    name: str,
    scale: str,
    seeds: Sequence[int] | None = None,
    folder: str | os.PathLike | None = None,
) -> Left:
    """What has no record yet: the choices of learning rates first, then seed by
    seed."""
    runs = plan(name, scale, seeds)
    done = {
        (record.arm, record.seed): record
        for record in read_all(name, scale, folder)
    }
    tried = {
        (record.arm, record.seed): record
        for record in records.candidates(name, scale, folder=folder)
    }
    diverged = _diverged(name, scale, folder)
    ready: list[Trial | TimingTrial] = []
    choosing: dict[str, Trial] = {}
    waiting = 0
    for trial in runs:
        if isinstance(trial, Trial) and trial.candidates():
            trial, open_ = _chosen(trial, tried, diverged)
            if open_:
                choosing |= {each.arm: each for each in open_}
                waiting += 1
                continue
        if not _recorded(trial, done):
            ready.append(trial)
    return Left([*choosing.values(), *ready], waiting)


def _chosen(
    trial: Trial, tried: dict, diverged: set[tuple[str, int]]
) -> tuple[Trial, list[Trial]]:
    """The trial as the best of its candidates, and which of them have no record
    yet."""
    while True:
        all_of_them = trial.candidates()
        candidates = [c for c in all_of_them if (c.arm, c.seed) not in diverged]
        if not candidates:
            return trial, all_of_them
        open_ = [each for each in candidates if not _recorded(each, tried)]
        if open_:
            return trial, open_
        done = [tried[each.arm, each.seed] for each in candidates]
        wider = trial.wider(done)
        if wider is trial:
            return trial.with_best(done), []
        trial = wider


def _diverged(
    name: str, scale: str, folder: str | os.PathLike | None
) -> set[tuple[str, int]]:
    """Arm and seed of the candidates that were left out since their loss was not
    finite."""
    place = records.path_of(name, scale, "x", 0, folder, chooses=True).parent
    stems = [path.stem.rpartition("-seed") for path in place.glob("*.diverged")]
    return {(arm, int(seed)) for arm, _, seed in stems}


def _recorded(trial: Trial | TimingTrial, done: dict) -> bool:
    record = done.get((trial.arm, trial.seed))
    if record is not None:
        check_recorded(trial, record)
    return record is not None


@dataclass(frozen=True)
class Queue:
    """The runs of some experiments at a scale, as all processes see them: on
    file."""

    names: tuple[str, ...]
    scale: str
    seeds: tuple[int, ...] | None
    folder: Path | None

    @property
    def experiments(self) -> list[Experiment]:
        return [find(name) for name in self.names]

    def check(self) -> None:
        """Raise what is wrong before anything runs, and note what makes a scale
        complete."""
        for each in self.experiments:
            runs = [
                run_name(run.arm, run.seed) for run in plan(each.name, self.scale)
            ]
            look(each.name, self.scale, self.seeds, self.folder)
            save_plan(each.name, self.scale, runs, self.folder)

    def left(self) -> tuple[list[tuple[str, Trial | TimingTrial]], int]:
        """What could start now, one seed of everything first, and how many runs are
        left."""
        found = {
            name: look(name, self.scale, self.seeds, self.folder)
            for name in self.names
        }
        runs = [(name, run) for name, left in found.items() for run in left.ready]
        # Candidates first, then by seed; sorting keeps the order of the
        # experiments.
        runs.sort(key=lambda one: _round(one[1]))
        return runs, sum(map(len, found.values()))

    def work_folder(self, name: str, run: Trial | TimingTrial) -> Path:
        root = records.FOLDER if self.folder is None else self.folder
        kind = "candidates-" if getattr(run, "chooses", None) else ""
        return (
            root / WORK / name / self.scale / f"{kind}{run_name(run.arm, run.seed)}"
        )

    @contextmanager
    def claim(self, name: str, run: Trial | TimingTrial) -> Iterator[Path | None]:
        """A folder for the run's checkpoints, while no other process has it; else
        None."""
        place = self.work_folder(name, run)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"cannot write {place}: {error.strerror or error}"
            ) from None
        lock = FileLock(place.with_name(f"{place.name}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield None
            return
        try:
            yield place
        finally:
            lock.release()
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()


def _round(run: Trial | TimingTrial) -> int:
    if isinstance(run, TimingTrial):
        return 0
    return -1 if run.chooses else run.seed


def work(
    queue: Queue,
    device: torch.device,
    deadline: float | None,
    progress: bool,
    bars: bool = True,
) -> None:
    """Make one run after the other until none is left, or none would end in
    time."""
    failed: set[tuple] = set()
    ended = -math.inf  # when the last run of this process did
    while True:
        runs, left = queue.left()
        runs = [each for each in runs if _key(*each) not in failed]
        late = 0
        for name, run in runs:
            if (
                deadline is not None
                and _expected(queue, name, run) > deadline - time.monotonic()
            ):
                late += 1
                continue
            with queue.claim(name, run) as place:
                if place is None or not _is_left(queue, name, run):
                    continue  # another process has it, or had it
                if find(name).alone:
                    require_quiet(name, find(name).threads, ended, deadline)
                try:
                    _make(queue, name, run, device, place, progress, bars, left)
                    ended = time.monotonic()
                except (NotEnoughMemory, FloatingPointError) as error:
                    _say(progress, f"{name} {run.arm}: left out, {error}")
                    failed.add(_key(name, run))
                    if isinstance(error, FloatingPointError):
                        _note_diverged(queue, name, run, error)
                break
        else:
            if late:
                _say(
                    progress,
                    f"{late} of {left} runs left would take too long; run it again",
                )
            if late or not left or not _somebody_works(queue, runs):
                return
            time.sleep(PATIENCE)  # what others do may make other runs ready


def _make(
    queue: Queue,
    name: str,
    run: Trial | TimingTrial,
    device: torch.device,
    place: Path,
    progress: bool,
    bars: bool,
    left: int,
) -> None:
    weights = (
        pretrained.FOLDER if queue.folder is None else queue.folder / "weights"
    )
    record = run_one(
        name,
        queue.scale,
        run,
        device,
        progress and bars,
        checkpoint=place,
        weights=weights,
    )
    records.save(record, queue.folder)
    shutil.rmtree(place, ignore_errors=True)
    place.with_name(f"{place.name}.lock").unlink(missing_ok=True)
    _say(progress, f"{name} {result_of(record)}; {left - 1} left")


def _note_diverged(
    queue: Queue, name: str, run: Trial | TimingTrial, error: FloatingPointError
) -> None:
    """So that a rate at which nothing is learned is worse than any other, and not
    tried again."""
    if getattr(run, "chooses", None) is None or run.seed is None:
        return
    path = records.path_of(
        name, queue.scale, run.arm, run.seed, queue.folder, chooses=True
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".diverged").write_text(f"{error}\n", encoding="utf-8")


def require_quiet(
    name: str,
    threads: int,
    ended: float = -math.inf,
    deadline: float | None = None,
) -> None:
    """ValueError unless the machine has had next to nothing to do for the last
    minute but for this process, which ran `threads` threads until the moment
    `ended`; or comes to that within `COOLING` seconds from then, and before the
    deadline."""
    if not hasattr(os, "getloadavg"):
        raise ValueError(
            f"{name} is timed and needs a quiet machine, and this system does not "
            "tell its load; use one of Linux or macOS"
        )
    last = ended + COOLING
    if deadline is not None:
        last = min(last, deadline)
    while (load := os.getloadavg()[0] - threads * _still_counts(ended)) > BUSY:
        if time.monotonic() >= last:
            raise ValueError(
                f"{name} is timed and needs a quiet machine: the load is "
                f"{load:.2f}, it must be below {BUSY}; stop what else runs and "
                "wait a minute"
            )
        time.sleep(PATIENCE)


def _still_counts(ended: float) -> float:
    """The share of what ran until that moment in the system's load, which forgets
    exponentially, in a minute."""
    return math.exp(-max(time.monotonic() - ended, 0.0) / 60)


def _is_left(queue: Queue, name: str, run: Trial | TimingTrial) -> bool:
    """Whether it still has no record, now that it is claimed."""
    chooses = getattr(run, "chooses", None) is not None
    path = records.path_of(
        name, queue.scale, run.arm, run.seed, queue.folder, chooses=chooses
    )
    return not path.exists()


def _somebody_works(
    queue: Queue, runs: Sequence[tuple[str, Trial | TimingTrial]]
) -> bool:
    """Whether another process has one of the runs that are left."""
    for name, run in runs:
        with queue.claim(name, run) as place:
            if place is None:
                return True
    return False


def _key(name: str, run: Trial | TimingTrial) -> tuple:
    return name, run.arm, run.seed


def _expected(queue: Queue, name: str, run: Trial | TimingTrial) -> float:
    done = read_all(name, queue.scale, queue.folder)
    same = [record.seconds for record in done if record.arm == run.arm]
    return max(same or [record.seconds for record in done], default=0.0)


def _say(really: bool, line: str) -> None:
    if really:
        print(line, flush=True)


def _path(folder: str | os.PathLike | None) -> Path | None:
    return None if folder is None else Path(folder)


def _work_together(
    jobs: int, queue: Queue, device: str, deadline: float | None, progress: bool
) -> None:
    """Have `jobs` processes work through the queue; they end with this one, however
    it ends."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(jobs)]
    seconds = None if deadline is None else deadline - time.monotonic()
    arguments = (queue, device, seconds, progress)
    workers = [
        context.Process(target=_worker, args=(theirs, *arguments))
        for _, theirs in pairs
    ]
    for worker, (_, theirs) in zip(workers, pairs, strict=True):
        worker.start()
        theirs.close()  # so that the pipe ends when the process does
    errors = []
    try:
        for mine, _ in pairs:
            try:
                errors.append(mine.recv())
            except EOFError:
                errors.append("a process of the experiment was ended from outside")
    finally:
        for mine, _ in pairs:
            mine.close()  # at which a worker that still runs ends
        for worker in workers:
            worker.join()
    if found := [error for error in errors if error]:
        raise ValueError(found[0])


def _worker(
    pipe: Connection,
    queue: Queue,
    device: str,
    seconds: float | None,
    progress: bool,
) -> None:
    # Of Ctrl-C the first process takes care.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)

    def watch() -> None:
        try:
            pipe.recv()
        except (EOFError, OSError):
            os._exit(1)  # the first process is gone; checkpoints stay

    threading.Thread(target=watch, daemon=True).start()
    deadline = None if seconds is None else time.monotonic() + seconds
    error = ""
    try:
        work(queue, torch.device(device), deadline, progress, bars=False)
    except (ValueError, OSError, RuntimeError) as found:
        error = " ".join(str(found).split())
    pipe.send(error)
