"""The one error of everything that can be wrong with a data file."""

from __future__ import annotations


class DataError(ValueError):
    """A data set is missing, damaged or cannot be stored.

    The message is one line: it names the file and says what to do.
    """


def one_line(error: BaseException) -> str:
    """The message of `error` on one line; some libraries' messages have several."""
    return " ".join(str(error).split()) or type(error).__name__
