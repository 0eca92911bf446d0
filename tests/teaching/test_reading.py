from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnnbook.teaching.reading import COUNTS, KILOBYTES, readings

CASES = json.loads(Path(__file__).with_name("readings.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[repr(case["text"]) for case in CASES])
def test_a_text_is_the_numbers_that_it_can_mean(case):
    unit = case.get("unit", "")
    found = readings(case["text"], unit, KILOBYTES if unit == "KB" else COUNTS)
    assert list(found) == pytest.approx(case["values"], rel=1e-12)
