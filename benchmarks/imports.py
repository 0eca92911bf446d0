"""What `import cnnbook` adds to `import torch`, and how soon `cnnbook --help` answers.

Every turn is a new process of this Python, as an import can be timed only once in one.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks import _harness

LATE = ("torch", "torchvision", "pandas", "matplotlib")
HELP = "import sys; sys.argv = ['cnnbook', '--help']; from cnnbook.cli import main; main()"
CALLS = {
    "import torch": "import torch",
    "import torch, cnnbook": "import torch, cnnbook",
    "import torch; from cnnbook import profile": "import torch; from cnnbook import profile",
    "cnnbook --help": HELP,
    "python, nothing": "",
}


def run(code: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=_harness.ROOT, capture_output=True, encoding="utf-8", check=True
    )


def loaded_by(code: str) -> list[str]:
    """Which of the large packages are loaded after `code`."""
    tail = f"\nimport sys; print(*(set({LATE}) & set(sys.modules)))"
    return sorted(run(f"{code}{tail}").stdout.split("\n")[-2].split())


def measure(report: _harness.Report, quick: bool) -> None:
    chosen = ("import torch", "cnnbook --help") if quick else CALLS
    calls = {name: lambda code=CALLS[name]: run(code) for name in chosen}
    seconds = _harness.take_turns(calls, 2 if quick else _harness.ROUNDS)
    torch = seconds["import torch"]
    for name, spent in seconds.items():
        report.rows.append(
            {
                "call": name,
                "seconds": _harness.Spread.of(spent),
                "× import torch": _harness.ratios(spent, torch),
            }
        )
    asked = "try:\n    " + HELP.replace("; ", "\n    ") + "\nexcept SystemExit:\n    pass"
    late = {"import cnnbook": "import cnnbook", "cnnbook --help": asked}
    loaded = {name: loaded_by(code) for name, code in late.items()}
    for name, packages in loaded.items():
        report.rows.append({"after": name, "loaded": ", ".join(packages) or "none of them"})
    if quick:
        return
    added = _harness.ratios(seconds["import torch, cnnbook"], torch).median
    report.goal("import cnnbook beside import torch, ratio", added, 1.15)
    added = _harness.ratios(seconds["import torch; from cnnbook import profile"], torch).median
    report.goal("with cnnbook.profile, ratio", added, 1.15)
    report.goal("cnnbook --help, s", _harness.Spread.of(seconds["cnnbook --help"]).median, 0.3)
    packages = len({package for found in loaded.values() for package in found})
    report.goal(f"of {', '.join(LATE)}, loaded by these", packages, 0)


if __name__ == "__main__":
    _harness.main("imports", measure)
