"""The precision of a recipe: what it means on a device, and that a run keeps it."""

from __future__ import annotations

import warnings

import pytest
import torch

from cnnbook import Recipe, fit
from cnnbook.training import device as devices
from cnnbook.training.device import autocast
from cnnbook.training.recipe import resolve_precision

CPU = torch.device("cpu")


@pytest.fixture
def emulated(monkeypatch):
    """A processor without instructions for bf16."""
    monkeypatch.setattr(devices, "cpu_flags", lambda: {"avx", "avx2"})


@pytest.fixture
def native(monkeypatch):
    """A processor that has them."""
    monkeypatch.setattr(devices, "cpu_flags", lambda: {"avx2", "avx512_bf16"})


def train(network, sets, precision, **options):
    recipe = Recipe(epochs=2, batch_size=100, precision=precision)
    return fit(network(), *sets, recipe, device="cpu", progress=False, **options)


def test_what_it_means(native):
    assert resolve_precision("auto", CPU) == "fp32"
    assert resolve_precision("fp32", CPU) == "fp32"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_precision("bf16", CPU) == "bf16"


def test_an_emulation_is_warned_of_once(emulated, network, sets):
    with pytest.warns(UserWarning, match="has no instructions for bf16: emulated") as seen:
        run = train(network, sets, "bf16")
    assert len(seen) == 1 and run.precision == "bf16"


def test_on_a_gpu_auto_follows_its_instructions(monkeypatch):
    able = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bool(able))
    assert resolve_precision("auto", torch.device("cuda")) == "fp32"
    able.append(True)
    assert resolve_precision("auto", torch.device("cuda")) == "bf16"


def test_the_network_computes_in_it(native, network, sets):
    """In bf16 convolutions give bfloat16, and the loss is another than in fp32."""
    seen = {}
    for precision in ("fp32", "bf16"):
        model = network()
        found = seen.setdefault(precision, set())
        model.stack[0].register_forward_hook(lambda m, i, out, found=found: found.add(out.dtype))
        recipe = Recipe(epochs=1, batch_size=100, precision=precision)
        run = fit(model, *sets, recipe, device="cpu", progress=False)
        seen[precision, "loss"] = run.history.train_loss.iloc[0]
        assert all(p.dtype == torch.float32 for p in run.model.parameters())
    assert torch.bfloat16 in seen["bf16"] and seen["fp32"] == {torch.float32}
    assert seen["bf16", "loss"] != seen["fp32", "loss"]
    assert seen["bf16", "loss"] == pytest.approx(seen["fp32", "loss"], rel=0.05)


def test_a_stopped_run_in_bf16_goes_on_to_the_same_bits(
    native, network, sets, tmp_path, monkeypatch
):
    whole = train(network, sets, "bf16")

    class Stop(Exception):
        pass

    from cnnbook.training import loop

    def stopping(*arguments):
        if len(calls := stopping.calls) == 1:
            raise Stop
        calls.append(1)
        return train_epoch(*arguments)

    train_epoch, stopping.calls = loop.train_epoch, []
    monkeypatch.setattr(loop, "train_epoch", stopping)
    with pytest.raises(Stop):
        train(network, sets, "bf16", checkpoint=tmp_path)
    monkeypatch.setattr(loop, "train_epoch", train_epoch)
    again = train(network, sets, "bf16", checkpoint=tmp_path)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert whole.test_loss == again.test_loss
    assert torch.equal(whole.test_correct, again.test_correct)


def test_a_run_goes_on_in_its_own_precision_only(native, network, sets, tmp_path):
    train(network, sets, "auto", checkpoint=tmp_path)
    train(network, sets, "fp32", checkpoint=tmp_path)  # what "auto" is on a CPU
    with pytest.raises(ValueError, match="is of a run with precision 'fp32', this one has 'bf16'"):
        train(network, sets, "bf16", checkpoint=tmp_path)


def test_autocast_can_be_entered_again_and_again():
    mixed = autocast(CPU, "bf16")
    a = torch.randn(4, 4)
    for _ in range(3):
        with mixed:
            assert (a @ a).dtype == torch.bfloat16
        assert (a @ a).dtype == torch.float32
    with autocast(CPU, "fp32"):
        assert (a @ a).dtype == torch.float32


def test_fixed_images_are_measured_in_evaluation_mode(network, sets):
    recipe = Recipe(epochs=2, batch_size=100, fixed_images=200)
    run = fit(network(), *sets, recipe, device="cpu", progress=False)
    train, _ = sets
    images = train.subset(range(200))
    with torch.no_grad():
        right = run.model(run.prepare(images.images)).argmax(1) == images.labels
    assert run.history.fixed_accuracy.iloc[-1] == pytest.approx(right.double().mean().item())
    with pytest.raises(ValueError, match="^fixed_images 1001 is more than the 1000 training im"):
        fit(network(), *sets, Recipe(fixed_images=1001), device="cpu", progress=False)
