"""What the benchmarks share: calls that take turns, ratios with their spread, tables and JSON.

Machines are shared and clocks drift. So what is compared takes turns within one process, and a
ratio is the median of the ratios of the turns, not the ratio of two medians taken minutes apart.
"""

from __future__ import annotations

import gc
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "_build" / "bench"
ROUNDS = 9  # at least 7
SHORTEST_TURN = 0.02  # seconds
NOT_RUN = 75  # the exit status of a benchmark that cannot run on this machine
PACKAGES = ("torch", "torchvision", "torchinfo", "fvcore", "ptflops", "calflops", "thop", "timm")


def take_turns(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list]:
    """The seconds of each call in each of `rounds` rounds, in which all take a turn.

    Each runs once before, which imports, compiles and fills caches. A short call is repeated
    within its turn, and counts with its mean. The order turns round by round, so that no call
    always runs after the same other one. Garbage is collected between the rounds, not in them.
    """
    for call in calls.values():
        call()
    names, seconds = list(calls), {name: [] for name in calls}
    for turn in range(rounds):
        first = turn % len(names)
        gc.collect()
        gc.disable()
        try:
            for name in names[first:] + names[:first]:
                seconds[name].append(one_turn(calls[name]))
        finally:
            gc.enable()
    return seconds


def one_turn(call: Callable[[], object]) -> float:
    """The mean seconds of a call that is repeated until the turn is not too short to time."""
    start, repeats = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < SHORTEST_TURN or not repeats:
        call()
        repeats += 1
    return spent / repeats


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, lower, upper)

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.lower:.3g}–{self.upper:.3g})"


def ratios(above: list[float], below: list[float]) -> Spread:
    """The spread of the ratios of two calls, round by round."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])


@dataclass(frozen=True)
class Goal:
    """What is aimed at: `measured` at most (or at least) `target`."""

    text: str
    measured: float
    target: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.target if self.at_least else self.measured <= self.target

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        word = "met" if self.met else "MISSED"
        return f"{word:<7}{self.text}: {self.measured:.3g} (goal {sign} {self.target:g})"


@dataclass
class Report:
    """What a benchmark found: a row per measurement, and its goals."""

    name: str
    rows: list[dict] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)

    def goal(self, text: str, measured: float, target: float, at_least: bool = False) -> None:
        self.goals.append(Goal(text, measured, target, at_least))

    def to_dict(self) -> dict:
        rows = [
            {k: asdict(v) if isinstance(v, Spread) else v for k, v in row.items()}
            for row in self.rows
        ]
        goals = [asdict(goal) | {"met": goal.met} for goal in self.goals]
        return {"benchmark": self.name, **provenance(), "rows": rows, "goals": goals}


def table(rows: list[dict]) -> str:
    """The rows as aligned text; rows with the same columns are one table."""
    lines, heads = [], None
    widths: list[int] = []
    for i, row in enumerate(rows):
        if list(row) != heads:
            heads = list(row)
            same = []
            for other in rows[i:]:
                if list(other) != heads:
                    break
                same.append(other)
            widths = [max(len(h), *(len(cell(r[h])) for r in same)) for h in heads]
            lines += ["", "  ".join(h.ljust(w) for h, w in zip(heads, widths, strict=True))]
        cells = zip(row.values(), widths, strict=True)
        lines.append("  ".join(cell(v).ljust(w) for v, w in cells).rstrip())
    return "\n".join(lines).lstrip("\n")


def cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "NO", None: "—"}[value]
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def provenance() -> dict:
    """On what, with what, of which code and when: what every figure needs beside it."""
    import torch

    from cnnbook.training.device import full_name

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "device": full_name("cpu"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "versions": versions,
        "commit": commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def commit() -> str | None:
    """The commit of the code, with "-dirty" if it has changes beside it; None outside git."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, encoding="utf-8")
    if head.returncode:
        return None
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, encoding="utf-8")
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")


def main(name: str, measure: Callable[[Report, bool], None]) -> None:
    """Run `measure` as the command line asks, print its table and write its JSON.

    With ``--quick`` everything runs on little, to see that it does; then no goal is judged and
    nothing is written. The exit status is 1 if a goal was missed.
    """
    quick = "--quick" in sys.argv[1:]
    report = Report(name)
    measure(report, quick)
    print(table(report.rows))
    if quick:
        return
    print(*report.goals, sep="\n")
    save(name, report.to_dict())
    sys.exit(not all(goal.met for goal in report.goals))


def save(name: str, found: list | dict) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    part = RESULTS / f".part-{name}.json"
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(RESULTS / f"{name}.json")


def not_run(reason: str) -> None:
    """End this benchmark: this machine lacks what it needs."""
    print(f"not run here: {reason}")
    sys.exit(NOT_RUN)
