"""The command line where things go wrong: numbers, places, pipes, consoles, signals."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from cnnbook import cli


def refused(done) -> str:
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and len(done.stderr) < 500
    assert ".part-" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "value", ["99.9", "30.0", "1e2", "nan", "inf", "", "0x10", "1_0", "٣", "1" + 400 * "0"]
)
@pytest.mark.parametrize(
    "before",
    [
        ("train", "resnet20", "--batch-size"),
        ("train", "resnet20", "--epochs"),
        ("train", "resnet20", "--seed"),
        ("train", "resnet20", "--image-size"),
        ("train", "resnet20", "--workers"),
        ("measure", "resnet20", "--batch-size"),
        ("experiment", "zoo", "--seeds"),
    ],
)
def test_whole_numbers_are_never_rounded(before, value, call):
    assert before[-1] in refused(call(*before, value))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "", "much", "1_0", "٣"])
@pytest.mark.parametrize(
    "option", ["--lr", "--momentum", "--weight-decay", "--validation", "--ema"]
)
def test_numbers_are_finite(option, value, call):
    assert option in refused(call("train", "resnet20", option, value))


def test_a_number_as_it_was_typed_reaches_the_recipe(call):
    message = refused(call("train", "resnet20", "--batch-size", "+20000"))
    assert "batch_size 20000 is more than the 10000 training images" in message


@pytest.mark.parametrize(
    "value", ["1_0x32x32", "٣x32x32", "+3x32x32", "3x-8x8", "3x8", f"3x1{400 * '0'}x8"]
)
@pytest.mark.parametrize("command", ["profile", "measure"])
def test_sizes_are_plain_numbers(command, value, call):
    message = refused(call(command, "resnet20", "--input", value))
    assert message.startswith("cnnbook: --input is channels x height x width in positive integers")


def test_a_batch_beyond_all_memory_is_a_line(call, monkeypatch):
    monkeypatch.setattr("cnnbook.measuring.latency.available_memory", lambda: 2**27)
    message = refused(
        call(
            "measure", "resnet20", "--input", "1x8x8", "--batch-size", 10**18 - 1, "--device", "cpu"
        )
    )
    assert "not enough memory for a batch of 999999999999999999 images 1×8×8; batch" in message


@pytest.mark.parametrize("command", [(), ("zoo",)])
def test_seeds_and_limits_of_experiments(command, call):
    message = refused(call("experiment", *command, "--seeds", 1, 2, 1))
    assert message == "cnnbook: --seeds must differ, got 1 2 1\n"
    message = refused(call("experiment", *command, "--limit-seconds=-1"))
    assert message == "cnnbook: --limit-seconds must not be negative, got -1\n"


@pytest.mark.parametrize("command", ["train", "profile", "measure"])
def test_a_variant_of_a_network_without(command, call):
    message = refused(call(command, "vgg16", "--variant", "paper"))
    assert message == "cnnbook: vgg16 has no variants; leave out --variant paper\n"
    assert "unknown architecture 'vgg'" in refused(call(command, "vgg", "--variant", "paper"))


@pytest.mark.parametrize("option", ["--weights", "--log", "--checkpoint"])
@pytest.mark.parametrize("place", ["file/below", "", "full"])
def test_places_that_cannot_be_written_are_found_before_the_images_are_read(
    option, place, call, tmp_path, monkeypatch
):
    monkeypatch.setattr(cli, "__name__", "cnnbook.cli")
    (tmp_path / "file").write_text("kept", encoding="utf-8")

    def fallocate(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fallocate, raising=False)
    monkeypatch.setattr("cnnbook.data.load", lambda *_, **__: pytest.fail("images were read"))
    refused(call("train", "resnet20", option, tmp_path / place if place else ""))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--checkpoint", "X", "--weights", "X"], "the run's checkpoints go to the folder X"),
        (["--checkpoint", "X/../Y/z", "--weights", "Y"], "checkpoints go to the folder X/../Y/z"),
        (["--checkpoint", "X", "--weights", "link"], "the run's checkpoints go to the folder X"),
        (["--log", "Z", "--weights", "Z"], "the run's logs go to the folder Z"),
        (["--log", "there/a/b", "--weights", "there/a"], "logs go to the folder there/a/b"),
        (["--checkpoint", "there", "--weights", "there/epoch-17.pt"], "the name of a checkpoint"),
    ],
)
def test_weights_in_the_place_of_the_run_are_found_before_the_images_are_read(
    options, reason, call, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("X")
    monkeypatch.setattr("cnnbook.data.load", lambda *_, **__: pytest.fail("images were read"))
    message = refused(call("train", "resnet20", *options))
    assert f"--weights {options[-1]} " in message and reason in message
    assert {path.name for path in tmp_path.iterdir()} == {"there", "link"}


def test_weights_in_the_place_of_a_run_that_was_given_none(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "cnnbook.training.command.fit", lambda *_, **__: pytest.fail("it was trained")
    )
    message = refused(call("train", "resnet20", "--weights", "runs"))
    assert "--weights runs must be a file of its own" in message
    assert list(tmp_path.iterdir()) == []


def test_weights_beside_the_checkpoints(call, tmp_path):
    done = call("train", "resnet20", "--image-size", 8, "--epochs", 1, "--batch-size", 500,
                "--checkpoint", tmp_path, "--weights", tmp_path / "weights.pt")  # fmt: skip
    assert done.returncode == 0
    assert {"epoch-0001.pt", "weights.pt"} < {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("page", ["one", "./one", "link"])
def test_a_table_and_a_page_in_one_file(page, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("one")
    message = refused(call("profile", "alexnet", "--csv", "one", "--html", page))
    assert message == "cnnbook: --csv and --html must be two files, got one twice\n"
    assert not (tmp_path / "one").exists()


def test_the_weights_are_there_before_the_result_is_printed(tmp_path, call, monkeypatch):
    """A disk that fills up at the end has no result that promises weights."""
    path = tmp_path / "w.pt"
    monkeypatch.chdir(tmp_path)

    def no_room(*_):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("cnnbook.training.command.write_whole", no_room)
    done = call("train", "resnet20", "--image-size", 8, "--epochs", 1, "--batch-size", 500,
                "--weights", path)  # fmt: skip
    assert done.returncode == 2 and "No space left" in done.stderr and done.stdout == ""


def test_home_is_found_where_the_shell_does_not(tmp_path, monkeypatch, call):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert call("profile", "alexnet", "--csv=~/table ü.csv").returncode == 0
    assert (tmp_path / "table ü.csv").exists()


@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_the_home_of_nobody_is_no_folder(option, call):
    message = refused(call("profile", "alexnet", option, "~nobody-of-this-name/table"))
    assert "cannot write ~nobody-of-this-name/table: " in message


@pytest.mark.posix("/dev/stdout")
def test_a_table_through_a_pipe(tmp_path):
    command = [sys.executable, "-m", "cnnbook", "profile", "alexnet", "--csv", "/dev/stdout"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=900)
    assert done.returncode == 0 and "features.0" in done.stdout
    head = next(csv.reader(done.stdout.splitlines()))
    assert head[:2] == ["layer", "kind"] and head[-1] == "sees"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_console_that_has_not_all_signs(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for arguments in (
        ["profile", "alexnet"],
        ["profile", "alexnet", "--json"],
        ["profile", "a×→b"],
    ):
        command = [sys.executable, "-m", "cnnbook", *arguments]
        done = subprocess.run(command, capture_output=True, env=environment, timeout=900)
        assert b"Traceback" not in done.stderr and b"codec" not in done.stderr
        text = done.stdout.decode(encoding)
        if "--json" in arguments:
            assert json.loads(text)["layers"]
        elif done.returncode == 0:
            assert "64x55x55" in text or "64×55×55" in text
        else:
            assert b"unknown architecture" in done.stderr


@pytest.mark.parametrize("arguments", [["profile", "resnet152"], ["--help"], ["train", "--help"]])
def test_whoever_reads_may_stop_reading(arguments):
    """As `| head -1` does."""
    command = [sys.executable, "-m", "cnnbook", *arguments]
    reader, writer = os.pipe()
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        os.close(reader)
        error = process.communicate(timeout=900)[1]
    assert error == b"" and process.returncode in (0, 141)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list"], 0, b""),
        (["--help"], 0, b""),
        (["profile", "alexnet", "--json"], 0, b""),
        (["profile", "alexne"], 2, b"cnnbook: unknown architecture 'alexne'; did you mean alexnet"),
    ],
)
@pytest.mark.parametrize("closed", [1, 2])
@pytest.mark.posix("descriptors that a new program inherits")
def test_a_stream_that_is_closed(closed, arguments, code, said):
    """As `>&-` and `2>&-` do."""
    closing = "import os, sys; os.close(int(sys.argv[1])); os.execv(sys.executable, sys.argv[2:])"
    command = [sys.executable, "-m", "cnnbook", *arguments]
    done = subprocess.run(
        [sys.executable, "-c", closing, str(closed), *command], capture_output=True, timeout=900
    )
    assert done.returncode == code
    if closed == 1:
        assert done.stdout == b"" and done.stderr.startswith(said)
        assert done.stderr.count(b"\n") == bool(said)
    else:
        assert done.stderr == b"" and bool(done.stdout) == (code == 0)


STOPPED = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(float(sys.argv[1]), os.kill, (os.getpid(), signal.SIGINT)).start()
sys.argv = ["cnnbook", "train", "resnet20", "--epochs", "50", "--image-size", "8"]
from cnnbook.__main__ import run
run()
"""


@pytest.mark.parametrize("seconds", [0.05, 0.6, 1.5])
@pytest.mark.posix("signals to a process")
def test_ctrl_c_at_any_moment_is_one_line(seconds, tmp_path):
    command = [sys.executable, "-c", STOPPED, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=900)
    assert "Traceback" not in done.stderr and done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("cnnbook: ")]
    assert done.returncode == 130 and len(lines) == 1 and "stopped" in lines[0]


DROPPED = """
import os, signal, sys, time, types
signal.signal(signal.SIGINT, signal.default_int_handler)

class Held:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # here Python raises it, and drops it

def main():
    Held()
    time.sleep(100)

sys.modules["cnnbook.cli"] = types.SimpleNamespace(main=main)
from cnnbook.__main__ import run
run()
"""


@pytest.mark.posix("signals to a process")
def test_a_ctrl_c_that_python_drops_is_not_lost():
    done = subprocess.run(
        [sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=900
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "cnnbook: stopped\n")


def test_not_enough_memory_is_a_line(call, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("cnnbook.models.create", fail)
    assert "there is not enough memory" in refused(call("measure", "resnet20"))


@pytest.mark.posix("SIGKILL")
def test_a_killed_decode_worker_is_named(tmp_path):
    from PIL import Image

    from cnnbook import data

    for part in ("train", "test"):
        folder = tmp_path / part / "a"
        folder.mkdir(parents=True)
        for i in range(30):
            Image.new("RGB", (64, 64)).save(folder / f"{i:02}.png")
    train, _ = data.load(f"imagefolder:{tmp_path}", stream=True, workers=1)
    batches = train.labels.new_tensor(range(30)).split(1)
    others = set(multiprocessing.active_children())  # that earlier tests left to end
    read = train.read(batches)
    next(read)
    (worker,) = set(multiprocessing.active_children()) - others
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(data.DataError) as error:
        list(read)
    assert f"decode worker {worker.pid} was killed by signal 9" in str(error.value)
    assert "\n" not in str(error.value)
