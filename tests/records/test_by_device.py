"""What one recipe took on each device, and where the runs of other machines are."""

from dataclasses import replace

import pytest

from cnnbook import records


def test_a_row_for_each_device_the_fastest_first(make):
    def run(seed, accuracy, seconds, **fields):
        return make(
            seed=seed,
            test_accuracy=accuracy,
            seconds=seconds,
            process_seconds=3 * seconds,
            **fields,
        )

    slow = [run(0, 0.939, 400.0), run(1, 0.941, 500.0), run(2, 0.943, 600.0)]
    fast = [run(0, 0.94, 20.0, device="NVIDIA H100 80GB HBM3", threads=16)]
    first, second = records.by_device([*slow, *fast]).to_dict("records")
    assert (first["device"], first["runs"]) == ("NVIDIA H100 80GB HBM3", 1)
    assert (second["device"], second["threads"], second["runs"]) == ("CPU (a processor)", 2, 3)
    assert (second["seconds"], second["process_seconds"]) == (500, 1500)
    assert second["accuracy"] == pytest.approx(94.1)
    assert second["deviation"] == pytest.approx(0.2)  # of a sample: n - 1
    assert second["torch"] == "2.15.0"


def test_what_cannot_be_compared(make, timing, error_of):
    run = make(process_seconds=5.0)
    kinds = "^devices are compared by runs of one experiment, scale and arm, got"
    for runs in [(), (timing(),), (run, replace(run, arm="other"))]:
        with pytest.raises(ValueError, match=kinds):
            records.by_device(runs)
    assert error_of(records.by_device, [run, make(seed=1)]) == (
        "one of the runs has no process_seconds on record"
    )


def test_runs_of_other_machines_stand_beside_the_book_s(make, tmp_path):
    records.save(make(), tmp_path)
    records.save(make(device="CPU (another)"), tmp_path / "elsewhere" / "another")
    found = records.everywhere("two-networks", "quick", folder=tmp_path)
    assert [run.device for run in found] == ["CPU (a processor)", "CPU (another)"]
    assert len(records.load("two-networks", folder=tmp_path)) == 1
    assert records.names(tmp_path) == ("two-networks",)
    assert records.everywhere("two-networks", "full", folder=tmp_path) == ()
