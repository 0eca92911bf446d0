"""Show code of this package in a chapter, so that text and code cannot drift apart."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable


class Source:
    """Python source: highlighted where the page can, plain text elsewhere."""

    def __init__(self, code: str):
        self.code = code

    def __repr__(self) -> str:
        return self.code

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}\n```"


def source(obj: type | Callable) -> Source:
    """The source of a class or function of the package."""
    return Source(textwrap.dedent(inspect.getsource(obj)).rstrip())
