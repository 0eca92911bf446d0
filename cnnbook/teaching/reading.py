"""What a reader means by the number that they type: ``61 M``, ``1e6``, ``0,5``,
``307,392``.

A comma or a point may be a decimal sign or stand between thousands. Where a text
can be read in both ways it has two readings, and an answer is right if one of them
is. The page's form reads in the same way (`_static/questions/reading.js`); one
table of cases tests both.
"""

from __future__ import annotations

import re

# What may follow a number, and what it is worth. Capitals and small letters are the
# same here.
COUNTS = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mio": 1e6, "million": 1e6,
    "millions": 1e6, "g": 1e9, "b": 1e9, "bn": 1e9, "billion": 1e9, "billions": 1e9,
    "t": 1e12,
}  # fmt: skip
# Of memory, of which the unit is the KB of 1,024 bytes.
KILOBYTES = {
    "b": 1 / 1024, "byte": 1 / 1024, "bytes": 1 / 1024, "k": 1.0, "kb": 1.0,
    "kib": 1.0, "m": 1024.0, "mb": 1024.0, "mib": 1024.0, "g": 1024.0**2,
    "gb": 1024.0**2, "gib": 1024.0**2,
}  # fmt: skip

TEXT = re.compile(
    r"([-+−]?)\s*(\d(?:[\d.,'’_\s]*\d)?|[.,]\d+)[.,]?"
    r"(?:e([-+−]?\d+)|\s*[×x*·]\s*10\s*(?:\^|\*\*)\s*([-+−]?\d+))?\s*(.*)",
    re.IGNORECASE | re.DOTALL,
)
GROUPED = re.compile(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*")
SPACED = re.compile(r"\d{1,3}(?:['’_\s]\d{3})*(?:[.,]\d+)?|\d*[.,]?\d+|\d+[.,]\d*")


def readings(
    text: str, unit: str = "", units: dict[str, float] | None = None
) -> tuple[float, ...]:
    """The numbers that `text` can mean; none if it is no number.

    Args:
        unit: words that may follow and change nothing, such as "parameters".
        units: what else may follow, and its worth; :data:`COUNTS` unless given.
    """
    match = TEXT.fullmatch(text.strip())
    if match is None:
        return ()
    sign, digits, power, ten, rest = match.groups()
    factor = _factor(rest, unit, COUNTS if units is None else units)
    if factor is None:
        return ()
    exponent = int((power or ten or "0").replace("−", "-"))
    if abs(exponent) > 99:
        return ()
    if sign in ("-", "−"):
        factor = -factor
    return tuple(value * factor * 10.0**exponent for value in _values(digits))


def _factor(rest: str, unit: str, units: dict[str, float]) -> float | None:
    """The worth of the words after a number; None if one of them is unknown."""
    known = {word.lower().rstrip("s") for word in unit.split()}
    factor = 1.0
    for word in rest.lower().rstrip(".").split():
        if word in units:
            factor *= units[word]
        elif word.rstrip("s") not in known and word != unit.lower():
            return None
    return factor


def _values(digits: str) -> list[float]:
    if not SPACED.fullmatch(digits):
        plain = re.sub(r"['’_\s]", "", digits)
        if plain != digits:
            return []
    plain = re.sub(r"['’_\s]", "", digits)
    signs = [sign for sign in plain if sign in ".,"]
    if not signs:
        return [float(plain)]
    last = signs[-1]
    if len(set(signs)) == 2:  # both: the last is the decimal sign
        whole, _, part = plain.rpartition(last)
        if signs.count(last) > 1 or not GROUPED.fullmatch(whole):
            return []
        return [float(f"{re.sub('[.,]', '', whole)}.{part}")]
    grouped = GROUPED.fullmatch(plain)
    thousands = [float(plain.replace(last, ""))] if grouped else []
    if len(signs) > 1:
        return thousands
    decimal = float(plain.replace(",", "."))
    return [decimal, *thousands] if last == "." else [*thousands, decimal]
