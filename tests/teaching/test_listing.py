from __future__ import annotations

from cnnbook import source


def plain(x):
    """One line."""
    return x


def long(x):
    """What it does, in a line
    and a half.

    Args:
        x: anything.

    Raises:
        TypeError: never.
    """
    text = """kept

    as it is"""
    return x, text


class Both:
    """A class.

    Its details.
    """

    def method(self):
        """Of a method.

        More.
        """


def test_a_docstring_is_cut_after_its_first_paragraph():
    shown = str(source(long))
    assert '"""What it does, in a line\n    and a half."""\n    text = """kept' in shown
    assert "Args" not in shown and "Raises" not in shown
    assert '"""kept\n\n    as it is"""' in shown


def test_each_docstring_of_a_class_is_cut():
    shown = str(source(Both))
    assert '"""A class."""' in shown and "details" not in shown
    assert '"""Of a method."""' in shown and "More" not in shown
    compile(shown, "shown", "exec")


def test_a_short_docstring_stays():
    assert str(source(plain)) == 'def plain(x):\n    """One line."""\n    return x'
