"""``python -m benchmarks [NAME ...] [--quick]``: each benchmark in a process of its own."""

from __future__ import annotations

import subprocess
import sys

from benchmarks._harness import NOT_RUN, ROOT

NAMES = ("profile", "memory", "imports", "step", "pipeline", "gpu", "book")


def main() -> None:
    options = [a for a in sys.argv[1:] if a.startswith("--")]
    names = [a for a in sys.argv[1:] if not a.startswith("--")] or NAMES
    for wrong in set(names) - set(NAMES):
        sys.exit(f"no benchmark {wrong!r}; there is {', '.join(NAMES)}")
    missed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        if status not in (0, NOT_RUN):
            missed.append(name)
    if missed:
        sys.exit(f"\ngoals missed, or not measured: {', '.join(missed)}")


if __name__ == "__main__":
    main()
