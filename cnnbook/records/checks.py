"""What records of every kind have in common: how they are read, and what makes a
field valid."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from cnnbook._arguments import short

SCHEMA = 2
SCALES = ("full", "standard", "quick")  # the better one first
PRECISIONS = ("fp32", "bf16")
# What a training record of schema 1 does not say, and what it was.
SINCE_2: dict[str, Any] = {
    "process_seconds": None,
    "precision": "fp32",
    "chooses": None,
    "correct": None,
}
RECIPE_SINCE_2: dict[str, Any] = {"precision": "auto", "fixed_images": 0}
VERSIONS = ("python", "torch", "torchvision", "cnnbook")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# A part of a file's name on every system.
ARM = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")


def parse(text: str) -> dict:
    """The fields of a record's JSON, without its schema. ValueError, in one line,
    if it is none."""
    try:
        found = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON (line {error.lineno}: {error.msg})") from None
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")
    schema = found.pop("schema", None)
    if schema not in (1, SCHEMA):
        raise ValueError(f"schema must be 1 or {SCHEMA}, got {short(schema)}")
    if schema == 1 and "kind" not in found:
        found = SINCE_2 | found
        if isinstance(found.get("recipe"), dict):
            found["recipe"] = RECIPE_SINCE_2 | found["recipe"]
    return found


def require(record, name: str, good: bool, what: str) -> None:
    """ValueError that names the record's field `name` unless it is `good`."""
    if not good:
        raise ValueError(
            f"{name} must be {what}, got {short(getattr(record, name))}"
        )


def require_provenance(record) -> None:
    """Check the fields that say what ran, where, when and with what."""
    for name in ("architecture", "device"):
        require(record, name, is_text(getattr(record, name)), "a name")
    require(
        record,
        "experiment",
        matches(NAME, record.experiment),
        "a name such as kernel-stacks",
    )
    require(record, "scale", record.scale in SCALES, f"one of {', '.join(SCALES)}")
    require(
        record, "arm", matches(ARM, record.arm), "of letters, digits and . + _ -"
    )
    require(
        record, "options", isinstance(record.options, dict), "a table of options"
    )
    require_integers(record, parameters=1, threads=1)
    known = isinstance(record.versions, dict) and set(record.versions) == set(
        VERSIONS
    )
    known = known and all(map(is_text, record.versions.values()))
    require(record, "versions", known, f"those of {', '.join(VERSIONS)}")
    require(
        record,
        "commit",
        record.commit is None or is_text(record.commit),
        "a commit or null",
    )
    require(
        record,
        "started",
        is_utc(record.started),
        "a time such as 2026-05-04T12:30:00Z",
    )
    require_positive(record, "seconds")


def require_integers(record, **least: int) -> None:
    """Check that these fields are integers of at least so much."""
    for name, bound in least.items():
        good = is_int(getattr(record, name), bound)
        require(record, name, good, f"an integer of at least {bound}")


def require_positive(record, *names: str) -> None:
    """Check that these fields are positive numbers."""
    for name in names:
        value = getattr(record, name)
        require(record, name, is_number(value) and value > 0, "a positive number")


def require_fields(where: str, found, names: Iterable[str]) -> None:
    """ValueError unless `found` is a JSON object with exactly these names."""
    names = list(names)
    if not isinstance(found, dict):
        raise ValueError(
            f"{where.rstrip('.')} must be a JSON object, got {short(found)}"
        )
    for name in names:
        if name not in found:
            raise ValueError(f"{where}{name} is missing")
    for name in found:
        if name not in names:
            raise ValueError(f"{where}{name} is no field of schema {SCHEMA}")


def is_text(value) -> bool:
    return isinstance(value, str) and value != "" and value.isprintable()


def matches(pattern: re.Pattern, value) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def is_int(value, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)


def is_share(value) -> bool:
    return is_number(value) and 0 <= value <= 1


def is_utc(value) -> bool:
    try:
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, TypeError):
        return False
    return True


def _refuse(constant: str):
    raise ValueError(f"{constant} is no number of JSON")
