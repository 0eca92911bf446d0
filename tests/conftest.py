import subprocess

import pytest

from cnnbook import cli


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
