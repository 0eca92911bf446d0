"""What can be known before training is said before training, and nothing of others is touched."""

import os
from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnbook.data import ImageSet
from cnnbook.training import Recipe, fit


@pytest.mark.parametrize("part", ["test", "validation"])
def test_images_of_another_size_are_tried_first(network, sets, part, error_of):
    """They train well, and fail only once they are measured."""
    train, test = sets
    fixed = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    small = ImageSet(test.images[:, :, :20, :20], test.labels, test.classes, test.name)
    if part == "test":
        message = error_of(fit, fixed, train, small, progress=False)
        assert message.startswith(
            "the test images do not fit: Sequential cannot take images of 1×20"
        )
        fit(fixed, train, small, Recipe(epochs=1, image_size=28), progress=False)
        fit(network(), train, small, Recipe(epochs=1), progress=False)  # which takes any size
    else:
        with pytest.raises(ValueError, match="the validation part must have"):
            replace(train, validation=small)


def test_the_log_and_the_checkpoint_are_tried_first(network, sets, tmp_path, error_of):
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    message = error_of(fit, network(), *sets, progress=False, log=tmp_path / "file")
    assert message == f"cannot write into {tmp_path / 'file'}: {tmp_path / 'file'} is no folder"
    message = error_of(fit, network(), *sets, progress=False, checkpoint=tmp_path / "file")
    path = tmp_path / "file" / "epoch-0000.pt"
    assert message.startswith(f"cannot write the checkpoint {path}: ")
    assert "must not be empty" in error_of(fit, network(), *sets, progress=False, checkpoint="")


@pytest.mark.parametrize("content", [b"my notes", None])
def test_starting_anew_deletes_nothing_of_others(network, sets, tmp_path, content, error_of):
    mine = tmp_path / "epoch-7.pt"
    if content is None:
        torch.save({"weights": torch.ones(3)}, mine)
    else:
        mine.write_bytes(content)
    before = mine.read_bytes()
    options = {"checkpoint": tmp_path, "resume": False, "progress": False}
    message = error_of(fit, network(), *sets, Recipe(epochs=1), **options)
    assert message.startswith(f"{mine} was not written by a run of this package, or is damaged (")
    assert mine.read_bytes() == before and list(tmp_path.iterdir()) == [mine]


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: os.mkfifo(path), marks=pytest.mark.posix("os.mkfifo")),
        os.mkdir,
        lambda path: os.symlink("nothing", path),
    ],
)
def test_no_checkpoint_can_be_in_the_place_of_another_thing(
    network, sets, tmp_path, make, resume, error_of
):
    """A pipe was waited for; a folder ended the run at its epoch."""
    odd = tmp_path / "epoch-0003.pt"
    make(odd)
    options = {"checkpoint": tmp_path, "resume": resume, "progress": False}
    message = error_of(fit, network(), *sets, Recipe(epochs=1), **options)
    assert message == f"{odd} is no plain file; move it away, or choose another folder"
    assert list(tmp_path.iterdir()) == [odd]


def test_a_run_leaves_others_files_in_its_folder(network, sets, tmp_path):
    others = [tmp_path / name for name in ("epoch-best.pt", "notes.txt", "epoch-0001.txt")]
    for path in others:
        path.write_text("kept", encoding="utf-8")
    for _ in range(2):
        fit(network(), *sets, Recipe(epochs=3), checkpoint=tmp_path, resume=False, progress=False)
    assert all(path.read_text(encoding="utf-8") == "kept" for path in others)
    assert {p.name for p in tmp_path.glob("epoch-*.pt")} - {"epoch-best.pt"} == {
        "epoch-0002.pt", "epoch-0003.pt",
    }  # fmt: skip


class Interrupted(nn.Sequential):
    def forward(self, images):
        if self.training:
            self.interrupt()
        return super().forward(images)


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_whatever_became_of_the_folder(network, sets, tmp_path, kept):
    model = Interrupted(network())
    folder = tmp_path / "run"

    def interrupt():
        if not kept:
            (folder / "epoch-0000.pt").unlink()
            folder.rmdir()
        raise KeyboardInterrupt

    model.interrupt = interrupt
    with pytest.raises(KeyboardInterrupt) as stop:
        fit(model, *sets, Recipe(epochs=1), checkpoint=folder, progress=False)
    assert ("goes on from there" if kept else "before the first checkpoint") in str(stop.value)


class Hungry(nn.Module):
    """A network for whose batches of more than 20 images there is no memory."""

    def __init__(self, inner, error):
        super().__init__()
        self.inner, self.error = inner, error

    def forward(self, images):
        if len(images) > 20 and self.training:
            raise self.error
        return self.inner(images)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nAnd more lines"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.02 GB, max allowed: 9.07 GB)"),
        MemoryError(),
    ],
)
def test_a_batch_that_does_not_fit_names_one_that_does(network, sets, error, error_of):
    model = Hungry(network(), error)
    message = error_of(fit, model, *sets, Recipe(epochs=1, batch_size=100), progress=False,
                       device="cpu")  # fmt: skip
    assert (
        message == "cpu has not enough memory for batches of 100 images 1×28×28; batch_size=12 fits"
    )
    run = fit(model, *sets, Recipe(epochs=1, batch_size=12), progress=False, device="cpu")
    assert len(run.history) == 1


class HungryWhenMeasured(Hungry):
    """Training has memory enough; more than 20 images at once have not, when it is measured."""

    def forward(self, images):
        if len(images) > 20 and not self.training:
            raise self.error
        return self.inner(images)


def test_a_network_is_measured_in_as_many_images_as_memory_allows(network, sets):
    recipe, options = Recipe(epochs=1, batch_size=16), {"progress": False, "device": "cpu"}
    plain = fit(network(), *sets, recipe, **options)
    run = fit(HungryWhenMeasured(network(), MemoryError()), *sets, recipe, **options)
    assert run.test_accuracy == plain.test_accuracy
    assert torch.equal(run.test_correct, plain.test_correct)
    assert run.test_loss == pytest.approx(plain.test_loss, rel=1e-6)


class TooLarge(nn.Sequential):
    def to(self, *args, **options):
        raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be")


def test_a_network_that_has_no_room_on_the_device(network, sets, error_of):
    message = error_of(fit, TooLarge(network()), *sets, progress=False, device="cpu")
    assert message == (
        "cpu has not enough memory for the network and 1,000 images, 1 MiB; choose another "
        "device, or fewer images, or a stream of them"
    )


def test_a_real_shortage_of_memory(network, sets, error_of):
    message = error_of(
        fit, network(), *sets, Recipe(epochs=1, image_size=2**20), progress=False, device="cpu"
    )
    assert message.startswith("memory does not suffice for a single image at image_size=1048576")


def test_other_errors_stay_what_they_are(network, sets):
    with pytest.raises(RuntimeError, match="something else"):
        fit(Hungry(network(), RuntimeError("something else")), *sets, progress=False)


class Wrapped(nn.Module):
    def __init__(self, inner, wrap):
        super().__init__()
        self.inner, self.wrap = inner, wrap

    def forward(self, images):
        return self.wrap(self.inner(images))


def as_huggingface(logits):
    from collections import OrderedDict

    return OrderedDict(loss=None, logits=logits, hidden_states=(logits,))


@pytest.mark.parametrize(
    "wrap",
    [
        as_huggingface,
        lambda logits: {"logits": logits},
        lambda logits: (logits,),
        lambda logits: [logits, None],
        lambda logits: type("Output", (), {"logits": logits})(),
    ],
)
def test_networks_that_give_their_logits_in_some_form(network, sets, wrap):
    recipe = Recipe(epochs=1)
    plain = fit(network(), *sets, recipe, progress=False, device="cpu")
    run = fit(Wrapped(network(), wrap), *sets, recipe, progress=False, device="cpu")
    assert run.test_loss == plain.test_loss


@pytest.mark.parametrize(
    "wrap", [lambda logits: {"out": logits}, lambda logits: None, lambda _: ()]
)
def test_networks_that_give_no_logits(network, sets, wrap, error_of):
    message = error_of(fit, Wrapped(network(), wrap), *sets, progress=False)
    assert message.startswith("a network must give logits N × classes: ")


def test_a_network_that_was_compiled_already(network, sets):
    plain = network()
    compiled = torch.compile(network(), backend="eager")
    recipe = Recipe(epochs=1, ema=0.9)
    runs = [fit(net, *sets, recipe, progress=False, device="cpu") for net in (plain, compiled)]
    assert runs[0].test_loss == runs[1].test_loss
    assert list(runs[1].model.state_dict()) == list(plain.state_dict())
    assert type(runs[1].model) is type(plain)


class Counting(nn.Module):
    """It counts its batches, as batch normalisation does, and remembers one bit."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.register_buffer("ever", torch.zeros((), dtype=torch.bool))

    def forward(self, images):
        if self.training:
            self.batches += 1
            self.ever |= True
        return self.inner(images)


def test_the_average_counts_in_whole_numbers(network, sets):
    recipe = Recipe(epochs=2, batch_size=100, ema=0.99)
    run = fit(Counting(network()), *sets, recipe, progress=False, device="cpu")
    assert (int(run.model.batches), bool(run.model.ever)) == (20, True)
    assert int(run.model.inner.stack[1].num_batches_tracked) == 20


@pytest.mark.parametrize("steps", range(1, 13))
def test_one_cycle_of_few_steps(steps, sets):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    few = replace(sets[0].subset(range(30 * steps)))
    recipe = Recipe(epochs=1, batch_size=30, schedule="one-cycle", lr=0.1)
    rates = []
    model.register_forward_pre_hook(
        lambda module, _: rates.append(rate()) if module.training else None
    )
    import cnnbook.training.loop as loop

    made = []
    original = loop.make_optimizer
    rate = lambda: made[0].param_groups[0]["lr"]  # noqa: E731
    loop.make_optimizer = lambda *args: made.append(original(*args)) or made[0]
    try:
        fit(model, few, None, recipe, progress=False, device="cpu")
    finally:
        loop.make_optimizer = original
    assert len(rates) == steps
    assert max(rates) == pytest.approx(0.1, rel=0.05)  # it is reached
    assert min(rates) >= 0 and (steps < 3 or rates[-1] < 0.06)
    assert rates[rates.index(max(rates)) :] == sorted(rates[rates.index(max(rates)) :])[::-1]
