import errno
import json
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from cnnbook import records
from cnnbook.records import Record
from cnnbook.records.record import pack
from cnnbook.records.store import save_plan


def path(folder):
    return folder / "two-networks" / "quick" / "plain-20-seed0.json"


def test_what_is_saved_is_what_is_loaded(make, tmp_path):
    record = make(commit=None, scale="full", options={})
    where = records.save(record, tmp_path)
    assert where == tmp_path / "two-networks" / "full" / "plain-20-seed0.json"
    assert where == records.path_of("two-networks", "full", "plain-20", 0, tmp_path)
    (loaded,) = records.load("two-networks", folder=tmp_path)
    pd.testing.assert_frame_equal(loaded.history, record.history)
    for field in fields(Record):
        if field.name != "history":
            assert getattr(loaded, field.name) == getattr(record, field.name), field.name
    assert loaded.to_json() == record.to_json() == where.read_text()


def test_a_record_of_schema_1_says_what_it_was(make, tmp_path):
    """Before there was a choice all runs on a CPU were in fp32, and no image was kept."""
    where = records.save(make(), tmp_path)
    old = json.loads(where.read_text()) | {"schema": 1}
    for name in ("process_seconds", "precision", "chooses", "correct"):
        del old[name]
    for name in ("precision", "fixed_images"):
        del old["recipe"][name]
    where.write_text(json.dumps(old))
    (loaded,) = records.load("two-networks", folder=tmp_path)
    assert loaded.to_json() == make().to_json()
    assert (loaded.precision, loaded.correct, loaded.test_correct) == ("fp32", None, None)


@pytest.mark.parametrize("count", [1, 7, 8, 10_000])
def test_bits_of_images_come_back(make, tmp_path, count):
    correct = np.random.default_rng(count).random(count) < 0.7
    records.save(make(correct=pack(correct), test_accuracy=float(correct.mean())), tmp_path)
    (loaded,) = records.load("two-networks", folder=tmp_path)
    assert (loaded.test_correct == correct).all() and len(loaded.test_correct) == count


def test_candidates_stand_apart_from_results(make, tmp_path):
    records.save(make(), tmp_path)
    records.save(make(arm="plain-20-lr0.1", seed=9, chooses="plain-20"), tmp_path)
    assert [run.arm for run in records.load("two-networks", folder=tmp_path)] == ["plain-20"]
    (tried,) = records.candidates("two-networks", "quick", folder=tmp_path)
    assert (tried.arm, tried.chooses) == ("plain-20-lr0.1", "plain-20")
    assert records.names(tmp_path) == ("two-networks",)


def test_the_best_complete_scale_is_loaded(make, tmp_path):
    """One run of a better scale does not hide a worse one that is whole."""

    def scale():
        return {run.scale for run in records.load("two-networks", folder=tmp_path)}

    plan = ["plain-20-seed0", "plain-20-seed1"]
    for name in ("standard", "quick"):
        save_plan("two-networks", name, plan, tmp_path)
    assert not records.is_complete("two-networks", "quick", tmp_path)
    records.save(make(scale="standard", seed=0), tmp_path)
    assert scale() == {"standard"}  # there is nothing else
    for seed in (0, 1):
        records.save(make(seed=seed), tmp_path)
    assert scale() == {"quick"}
    records.save(make(scale="standard", seed=1), tmp_path)
    assert scale() == {"standard"} and records.is_complete("two-networks", "standard", tmp_path)
    plan_file = tmp_path / "two-networks" / "quick" / "plan.json"
    plan_file.write_text("{}")
    with pytest.raises(ValueError, match="plan.json is no plan of runs"):
        records.load("two-networks", folder=tmp_path)


def test_records_compare_line_by_line(make):
    """One line a field and one an epoch: a changed figure is a changed line."""
    one, other = make(), make(test_accuracy=0.67)
    pairs = list(zip(one.to_json().splitlines(), other.to_json().splitlines(), strict=True))
    assert [a != b for a, b in pairs].count(True) == 1
    assert len(pairs) == 2 + 1 + len(fields(Record)) + 2 + 1


def test_runs_come_by_arm_and_seed(folder):
    runs = records.load("two-networks", "quick", folder=folder)
    arms = [(run.arm, run.seed) for run in runs]
    assert arms == [(a, s) for a in ("plain-20", "plain-110", "resnet-20") for s in (0, 1)]


def test_the_best_scale_on_record(folder, make):
    assert {run.scale for run in records.load("two-networks", folder=folder)} == {"quick"}
    records.save(make(scale="full"), folder)
    assert [run.scale for run in records.load("two-networks", folder=folder)] == ["full"]
    assert len(records.load("two-networks", "quick", folder=folder)) == 6
    assert records.names(folder) == ("two-networks",)


def test_an_unknown_experiment(folder):
    with pytest.raises(ValueError, match="^unknown experiment 'two-network'; did you mean two-net"):
        records.load("two-network", folder=folder)
    with pytest.raises(ValueError, match="^unknown experiment 'xyz'; there is .*two-networks"):
        records.load("xyz", folder=folder)


def test_an_unknown_scale(folder):
    with pytest.raises(ValueError, match="^unknown scale 'big'; there is full, standard, quick$"):
        records.load("two-networks", "big", folder=folder)


def test_an_experiment_that_has_not_run_has_no_records(tmp_path):
    assert records.load("zoo", folder=tmp_path) == ()
    assert records.names(tmp_path) == ()


def test_table(folder):
    table = records.table(records.load("two-networks", folder=folder))
    assert list(table) == [
        "arm", "seed", "epochs", "train_loss", "train_accuracy", "validation_loss",
        "validation_accuracy", "test_accuracy", "seconds", "parameters", "train_error",
    ]  # fmt: skip
    assert table.iloc[1].tolist() == [
        "plain-20", 1, 2, 0.75, 0.75, 1.0, 0.65, 0.66, 4.5, 269_034, 25.0,
    ]  # fmt: skip
    assert len(table) == 6
    assert list(records.table(())) == list(table)


def test_provenance_says_where_when_and_with_what(folder, make):
    runs = records.load("two-networks", folder=folder)
    assert records.provenance(runs) == (
        "6 runs of two-networks, quick scale (3 arms, seeds 0, 1; "
        "2 epochs of 1,000 images in fp32; 27 s in all) on "
        "CPU (a processor), 2 threads, 2026-02-03, torch 2.15.0, commit 0123456789ab."
    )
    later = make(started="2026-02-05T00:00:00Z", device="NVIDIA H100", commit=None, seconds=600.0)
    assert records.provenance((*runs, later)) == (
        "7 runs of two-networks, quick scale (3 arms, seeds 0, 1; "
        "2 epochs of 1,000 images in fp32; 10 min in all) on "
        "CPU (a processor), 2 threads and NVIDIA H100, 2026-02-03 to 2026-02-05, torch 2.15.0, "
        "commit 0123456789ab and unknown."
    )
    assert records.provenance([later]).startswith("1 run of two-networks, quick scale (1 arm, seed")
    assert records.provenance(()) == "No run is on record."


def put(key, value):
    def change(found):
        found[key] = value

    return change


def put_recipe(key, value):
    return lambda found: found["recipe"].__setitem__(key, value)


def put_epoch(key, value):
    return lambda found: found["history"][1].__setitem__(key, value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (put("schema", 3), "schema must be 1 or 2, got 3"),
        (lambda found: found.pop("schema"), "schema must be 1 or 2, got None"),
        (lambda found: found.pop("seconds"), "seconds is missing"),
        (put("mood", "good"), "mood is no field of schema 2"),
        (put("experiment", "Two"), "experiment must be a name such as kernel-stacks, got 'Two'"),
        (put("experiment", "other"), "experiment must be those of its place, got other"),
        (put("scale", "big"), "scale must be one of full, standard, quick, got 'big'"),
        (put("scale", "full"), "scale must be those of its place, got full"),
        (put("arm", "a/b"), "arm must be of letters, digits and . + _ -, got 'a/b'"),
        (put("arm", "other"), "arm and seed must be those of its place, got other-seed0.json"),
        (put("architecture", ""), "architecture must be a name, got ''"),
        (put("options", [1]), "options must be a table of options, got [1]"),
        (put("recipe", 3), "recipe must be a JSON object, got 3"),
        (put_recipe("lr", -1), "recipe: lr must be a positive number, got -1"),
        (put_recipe("lt", 1), "recipe.lt is no field of schema 2"),
        (lambda found: found["recipe"].pop("lr"), "recipe.lr is missing"),
        (put_recipe("augment", ["flop"]), "recipe: unknown augment 'flop'; did you mean flip?"),
        (put("seed", 1), "seed must be the recipe's, 0, got 1"),
        (put("seed", True), "seed must be an integer of at least 0, got True"),
        (put("data", 7), "data must be a name, got 7"),
        (put("data_checksum", "abc"), "data_checksum must be the 64 digits of a SHA-256"),
        (put("train_images", 0), "train_images must be an integer of at least 1, got 0"),
        (put("parameters", 1.5), "parameters must be an integer of at least 1, got 1.5"),
        (put("device", None), "device must be a name, got None"),
        (put("threads", "2"), "threads must be an integer of at least 1, got '2'"),
        (put("versions", {"torch": "2"}), "versions must be those of python, torch, torchvision"),
        (put("commit", 5), "commit must be a commit or null, got 5"),
        (put("started", "yesterday"), "started must be a time such as 2026-05-04T12:30:00Z"),
        (put("seconds", 0), "seconds must be a positive number, got 0"),
        (put("history", "long"), "history must be a list of epochs, got 'long'"),
        (lambda found: found["history"].pop(), "history must have the epochs 1 … 2, got [1]"),
        (lambda found: found["history"][1].pop("lr"), "history[2].lr is missing"),
        (put_epoch("train_loss", "low"), "history[2].train_loss must be a number, got 'low'"),
        (put_epoch("train_accuracy", 75), "history[2].train_accuracy must be a share of 0 … 1"),
        (put("test_loss", None), "test_loss must be a number, got None"),
        (put("test_accuracy", 66), "test_accuracy must be a share of 0 … 1, got 66"),
        (put("precision", "fp8"), "precision must be one of fp32, bf16, got 'fp8'"),
        (put("process_seconds", -1), "process_seconds must be a positive number, got -1"),
        (put("chooses", "a b"), "chooses must be an arm or null, got 'a b'"),
        (put("chooses", "plain-20"), "experiment must be those of its place, got two-networks"),
        (put("correct", "8:AA=="), "correct must be bits whose mean is test_accuracy"),
        (put("correct", "9:AA=="), "correct must be bits whose mean is test_accuracy"),
        (put("correct", "?"), "correct must be bits whose mean is test_accuracy"),
    ],
)
def test_a_damaged_record_is_named_with_its_field(folder, damage, message):
    found = json.loads(path(folder).read_text())
    damage(found)
    path(folder).write_text(json.dumps(found))
    assert error(folder).startswith(f"{path(folder)}: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON (line 1: Expecting value)"),
        (b'{"schema": 1,\n', "is no JSON (line 2: "),
        (b"[]", "is no JSON object"),
        (b"\xff\xfe", "is no text"),
        (b'{"seconds": NaN}', "NaN is no number of JSON"),
    ],
)
def test_a_file_that_is_no_record(folder, content, message):
    path(folder).write_bytes(content)
    assert error(folder).startswith(f"{path(folder)}: {message}")


def test_a_record_cut_off_anywhere(folder):
    whole = path(folder).read_bytes().rstrip()
    for length in range(0, len(whole), 97):
        path(folder).write_bytes(whole[:length])
        assert error(folder).startswith(f"{path(folder)}: ")


def error(folder) -> str:
    with pytest.raises(ValueError) as found:
        records.load("two-networks", folder=folder)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_a_wrong_record_is_not_saved(make):
    with pytest.raises(ValueError, match="^test_accuracy must be a share of 0 … 1, got 66$"):
        make(test_accuracy=66)
    with pytest.raises(ValueError, match="^history must have the columns epoch, lr, "):
        make(history=pd.DataFrame({"epoch": [1, 2]}))
    with pytest.raises(ValueError, match="^recipe must be a recipe, got {}$"):
        make(recipe={})


def test_a_write_that_fails_leaves_the_old_record(folder, make, monkeypatch):
    before = path(folder).read_text()

    def full_disk(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(ValueError, match="cannot write .*: No space left on device"):
        records.save(make(test_accuracy=0.1), folder)
    assert path(folder).read_text() == before
    assert len(list(path(folder).parent.iterdir())) == 6


def test_a_folder_that_cannot_be_made(make, tmp_path):
    (tmp_path / "two-networks").write_text("a file")
    with pytest.raises(ValueError, match="^cannot write .*plain-20-seed0.json: "):
        records.save(make(), tmp_path)


def test_the_records_of_the_book_are_valid():
    for name in records.names():
        for scale in records.SCALES:
            for run in records.load(name, scale):
                assert replace(run).to_json() == run.to_json()
