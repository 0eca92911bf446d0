"""The page of the package: what autodoc and napoleon leave to be done.

Names stand as a reader looks for them: first what has a name of its own kind, then functions, by
number where they end in one; the networks in the order of the chapters. Signatures have no
`<function …>`; the fields of a named tuple stand in its docstring, and once.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass

from sphinx.ext.autodoc import FunctionDocumenter, ModuleDocumenter

MODELS = "cnnbook.models"
CODE = re.compile(r"(``.*?``|`[^`]*`)")
PRIME = re.compile(r"\b([A-Z])'(?!\w)")
LONG = 1e6  # such a number is shown as the source writes it: 989e12


class InOrder(ModuleDocumenter):
    """A module whose members stand in the order in which a reader looks for them."""

    def sort_members(self, documenters, order):
        def key(entry):
            documenter = entry[0]
            name = documenter.name.partition("::")[2]
            place = place_of(getattr(self.object, name)) if self.modname == MODELS else 0
            return place, isinstance(documenter, FunctionDocumenter), natural(name)

        return sorted(documenters, key=key)


def place_of(found) -> int:
    """The place of the file that has this class or function of `cnnbook.models`."""
    from cnnbook.models._common import FILES  # with PyTorch: for this page alone

    return FILES.index(found.__module__.removeprefix(f"{MODELS}."))


def natural(name: str) -> list[str | int]:
    """What names are sorted by: plain20 stands before plain110."""
    return [
        int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name) if part
    ]


class Written:
    """A default as it is written."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def write_defaults(app, function, bound_method) -> None:
    """Show functions, classes and long numbers as in the source."""
    try:
        signature = inspect.signature(function)
        written = defaults(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, ValueError, SyntaxError):  # made by dataclass, or in C
        return
    parameters = dict(signature.parameters)
    long = [name for name in written if is_long(parameters[name].default)]
    for name in long:
        parameters[name] = parameters[name].replace(default=Written(written[name]))
    if long:
        function.__signature__ = signature.replace(parameters=parameters.values())


def is_long(default) -> bool:
    return repr(default).startswith("<") or isinstance(default, float) and default >= LONG


def defaults(source: str) -> dict[str, str]:
    """What the source of a function says its defaults are, by argument."""
    arguments = ast.parse(source).body[0].args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(reversed(positional), reversed(arguments.defaults), strict=False),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    return {a.arg: ast.get_source_segment(source, written) for a, written in pairs if written}


def write_factories(app, what, name, found, options, signature, returns):
    """Show what a field of a data class is made to be, in place of `<factory>`."""
    if not is_dataclass(found) or "<factory>" not in (signature or ""):
        return None
    factories = [field.default_factory for field in fields(found)]
    made = [repr(factory()) for factory in factories if factory is not MISSING]
    for text in made:
        signature = signature.replace("<factory>", text, 1)
    return signature, returns


def skip_fields(app, what, name, found, skip, options):
    """Leave out what Python itself says of a named tuple's fields: their numbers."""
    return True if type(found).__name__ == "_tuplegetter" else None


def set_primes(app, what, name, found, options, lines: list[str]) -> None:
    """C' in a shape is C′; in code it stays."""
    lines[:] = primes(lines)


def primes(lines: Iterable[str]) -> list[str]:
    return [
        "".join(
            part if i % 2 else PRIME.sub(r"\1′", part) for i, part in enumerate(CODE.split(line))
        )
        for line in lines
    ]


def setup(app) -> dict:
    app.setup_extension("sphinx.ext.autodoc")
    app.add_autodocumenter(InOrder, override=True)
    app.connect("autodoc-before-process-signature", write_defaults)
    app.connect("autodoc-process-signature", write_factories)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-docstring", set_primes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
