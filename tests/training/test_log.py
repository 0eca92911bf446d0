import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnbook.training import Recipe, fit

RECIPE = Recipe(epochs=2, batch_size=250)


def train(model, sets, **options):
    return fit(model, *sets, RECIPE, device="cpu", progress=False, **options)


def scalars(folder):
    """What TensorBoard shows: for each name the steps and the values."""
    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_the_log_has_the_history(network, sets, tmp_path):
    run = train(network(), sets, log=tmp_path)
    found = scalars(tmp_path)
    assert set(found) == set(run.history) - {"epoch"}
    for name, points in found.items():
        assert [step for step, _ in points] == [1, 2]
        values = [value for _, value in points]
        assert values == pytest.approx(run.history[name].tolist(), rel=1e-6)  # they are float32


def test_a_run_that_goes_on_doubles_no_step(network, sets, tmp_path):
    """Killed after the second epoch's entry, before its checkpoint."""
    folders = {"checkpoint": tmp_path / "run", "log": tmp_path / "log"}
    train(network(), sets, **folders)
    (tmp_path / "run" / "epoch-0002.pt").unlink()
    again = train(network(), sets, **folders)
    points = scalars(tmp_path / "log")["seconds"]
    assert [step for step, _ in points] == [1, 2]
    assert [value for _, value in points] == pytest.approx(again.history.seconds.tolist())
    finished = train(network(), sets, **folders)  # nothing is left to do
    assert scalars(tmp_path / "log")["seconds"] == points
    assert len(finished.history) == 2


def test_a_folder_that_cannot_be_written(network, sets, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=f"{tmp_path / 'file'} is no folder"):
        train(network(), sets, log=tmp_path / "file")


def test_the_package_tensorboard_is_asked_for(network, sets, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        train(network(), sets, log=tmp_path)
    assert not list(tmp_path.iterdir())
