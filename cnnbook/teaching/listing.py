"""Show code of this package in a chapter, so that text and code cannot drift
apart."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

from cnnbook._arguments import short


class Source:
    """Python source: highlighted where the page can, plain text elsewhere."""

    def __init__(self, code: str):
        self.code = code

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}\n```"


def source(obj: type | Callable) -> Source:
    """The source of a class or function of the package.

    Of a docstring it shows the first paragraph: what arguments are and what is
    raised stands on the page of the package.

    Raises:
        TypeError: if `obj` is something else, or not written in Python.
    """
    if not (inspect.isclass(obj) or inspect.isroutine(obj)):
        raise TypeError(f"obj must be a class or a function, got {short(obj)}")
    return Source(_short(textwrap.dedent(inspect.getsource(obj)).rstrip()))


def _short(code: str) -> str:
    """`code` with each docstring cut after its first paragraph."""
    lines = code.splitlines()
    documented = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        node for node in ast.walk(ast.parse(code)) if isinstance(node, documented)
    ]
    for node in sorted(found, key=lambda node: node.lineno, reverse=True):
        if ast.get_docstring(node) is None:
            continue
        first, last = node.body[0].lineno - 1, node.body[0].end_lineno
        kept = lines[first:last]
        if "" in (line.strip() for line in kept):
            blank = next(i for i, line in enumerate(kept) if not line.strip())
            quotes = kept[0].lstrip(" rR")[:3]
            kept = [*kept[: blank - 1], kept[blank - 1] + quotes]
        lines[first:last] = kept
    return "\n".join(lines)
