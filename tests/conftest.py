import subprocess
import sys
from pathlib import Path

import pytest

from cnnbook import cli

# Files that take a minute or more, as they start processes and browsers. A worker takes a file at a
# time: they come first, and the many short ones fill what is left.
LONG = ("experiments/test_queue.py", "training/test_distributed.py", "site/test_browser.py",
        "site/test_live.py", "test_cli.py", "test_colab.py", "models/test_pretrained.py",
        "models/test_every_builder.py", "site/test_explorer.py", "test_cli_faults.py",
        "models/test_alexnet_split.py", "site/test_reading.py")  # fmt: skip


def pytest_collection_modifyitems(items):
    place = {Path(__file__).parent / name: i for i, name in enumerate(LONG)}
    assert all(path.is_file() for path in place)
    items.sort(key=lambda item: place.get(item.path, len(LONG)))
    for item in items if sys.platform == "win32" else ():
        for mark in item.iter_markers("posix"):
            item.add_marker(pytest.mark.skip(reason=f"Windows has no {mark.args[0]}"))


@pytest.fixture
def call(capsys):
    """`cnnbook` with these arguments, in this process: one of its own would load torch anew."""

    def call(*arguments) -> subprocess.CompletedProcess:
        with pytest.raises(SystemExit) as end:
            cli.main([*map(str, arguments)])
        return subprocess.CompletedProcess(arguments, end.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def error_of():
    """The one line that a call fails with."""

    def error_of(function, *args, **options):
        with pytest.raises((ValueError, OSError)) as error:
            function(*args, **options)
        assert len(str(error.value).splitlines()) == 1
        assert ".part-" not in str(error.value)  # a name that nobody asked for
        return str(error.value)

    return error_of
