"""The second kind of record: what a measurement of speed leaves."""

from __future__ import annotations

import json

import pytest

from cnnbook import records
from cnnbook.records import Timing

WHERE = "two-networks/quick/alexnet-inference-float32-4.json"


def test_what_is_saved_is_what_is_loaded(timing, tmp_path):
    one, other = timing(), timing(arm="alexnet-inference-float32-16", peak_memory=5, commit=None)
    assert records.save(one, tmp_path) == tmp_path / WHERE
    records.save(other, tmp_path)
    assert records.load("two-networks", folder=tmp_path) == (one, other)
    assert Timing.from_json(one.to_json()) == one
    pairs = zip(one.to_json().splitlines(), other.to_json().splitlines(), strict=True)
    assert sum(a != b for a, b in pairs) == 3


def test_what_follows_from_the_figures(timing):
    one = timing()
    assert one.images_per_second == 4 / 0.02
    assert one.operations_per_second == 2e9 / 0.02 == 1e11
    assert one.share_of_peak == 0.5
    assert one.intensity == 8


def test_table_and_provenance(timing, make):
    runs = [timing(), timing(arm="b", batch_size=16, training=True, seconds=5.5)]
    table = records.table(runs)
    assert list(table)[:5] == ["arm", "architecture", "training", "dtype", "batch_size"]
    assert table.share_of_peak.tolist() == [0.5, 0.5] and table.batch_size.tolist() == [4, 16]
    assert records.provenance(runs) == (
        "2 runs of two-networks, quick scale (2 arms; 10 s in all) on CPU (a processor), "
        "1 thread, 2026-02-03, torch 2.15.0, commit 0123456789ab."
    )
    with pytest.raises(ValueError, match="^training runs and timings make no common table; ask"):
        records.table([*runs, make()])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kind", "guess", "kind must be timing or left out, got 'guess'"),
        ("kind", None, "recipe is missing"),  # then it would be a training run
        ("schema", 3, "schema must be 1 or 2, got 3"),
        ("mood", "good", "mood is no field of schema 2"),
        ("arm", "a/b", "arm must be of letters, digits and . + _ -, got 'a/b'"),
        ("arm", "other", "arm and seed must be those of its place, got other.json"),
        ("device", "", "device must be a name, got ''"),
        ("started", "noon", "started must be a time such as 2026-05-04T12:30:00Z, got 'noon'"),
        ("input_size", [3, 224], "input_size must be channels, height and width, got [3, 224]"),
        ("batch_size", 0, "batch_size must be an integer of at least 1, got 0"),
        ("training", 1, "training must be true or false, got 1"),
        ("dtype", 32, "dtype must be a text, got 32"),
        ("latency", 0.5, "latency must be between its quartiles, got 0.5"),
        ("lower_quartile", -1, "lower_quartile must be a positive number, got -1"),
        ("peak_memory", "much", "peak_memory must be a number of bytes or null, got 'much'"),
        ("peak_operations", 0, "peak_operations must be a positive number, got 0"),
        ("peak_bandwidth_source", None, "peak_bandwidth_source must be a text, got None"),
    ],
)
def test_a_damaged_record_is_named_with_its_field(timing, tmp_path, name, value, message):
    path = records.save(timing(), tmp_path)
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | {name: value}))
    with pytest.raises(ValueError) as raised:
        records.load("two-networks", folder=tmp_path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_a_missing_field(timing, tmp_path):
    path = records.save(timing(), tmp_path)
    found = json.loads(path.read_text())
    del found["flops"]
    path.write_text(json.dumps(found))
    with pytest.raises(ValueError, match="float32-4.json: flops is missing$"):
        records.load("two-networks", folder=tmp_path)
