"""The command line as a user meets it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
import torch

from cnnbook import claims, experiments, models, records


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "cnnbook", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, **options)


def test_profile_prints_the_lecture_s_table():
    done = run("profile", "alexnet", "--input", "3x227x227")
    assert done.returncode == 0 and done.stderr == ""
    first = done.stdout.splitlines()[2].split()
    assert first == ["features.0", "conv", "64×56×56", "784.00", "23,296", "72,855,552", "11"]


def test_profile_as_json_and_csv(tmp_path, call):
    path = tmp_path / "table.csv"
    done = call("profile", "alexnet", "--variant", "paper", "--json", "--csv", path)
    assert json.loads(done.stdout)["layers"][0]["output"] == [96, 55, 55]
    assert path.read_text().splitlines()[1].startswith("conv1,conv,96x55x55,")
    assert list(tmp_path.iterdir()) == [path]


def test_profile_of_a_training_step(call):
    def told(*options: str) -> dict:
        done = call("profile", "resnet18", "--training", "--json", *options)
        return json.loads(done.stdout)

    plain = told()["training"]
    other = told("--precision", "bf16", "--optimizer", "adamw", "--batch", "2")
    assert (plain["precision"], other["training"]["precision"]) == ("fp32", "bf16")
    assert other["training"]["optimizer_kb"] == 2 * plain["optimizer_kb"]
    copies = plain["weights_kb"] / 2  # which are kept once, whatever the batch
    halves = other["training"]["kept_kb"] - copies
    assert plain["kept_kb"] * 0.5 < halves < plain["kept_kb"] * 0.6
    assert other["peak_kb"] > other["training"]["weights_kb"]
    assert other["peak_moment"].split()[0] in ("forward", "backward")


def test_networks_of_others(call, tmp_path, monkeypatch):
    """Fully convolutional ResNet-50 fetches a backbone's weights unless told not to."""
    (tmp_path / "my_module.py").write_text(
        "from torch import nn\n\n\ndef build():\n    return nn.Conv2d(3, 4, 3)\n"
    )
    size = ["--input", "3x64x64", "--json"]
    done = call("profile", "torchvision:fcn_resnet50", *size)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["total"]["params"] == 32_957_013
    monkeypatch.chdir(tmp_path)
    done = call("profile", "my_module:build", *size)
    assert json.loads(done.stdout)["total"]["flops"] == 4 * 62 * 62 * 27


@pytest.mark.parametrize(
    "option",
    [["--batch", "2"], ["--optimizer", "sgd"], ["--precision", "bf16"], ["--device", "cpu"]],
)
def test_what_is_of_training_is_refused_without(call, option):
    done = call("profile", "alexnet", *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cnnbook: {option[0]} is of a training step: add --training\n"


def test_profile_as_a_page(tmp_path, call):
    path = tmp_path / "net.html"
    done = call("profile", "resnet18", "--training", "--html", path)
    assert done.returncode == 0 and "total" in done.stdout
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_written(tmp_path, call):
    locked = tmp_path / "locked.html"
    locked.write_text("mine")
    locked.chmod(0o444)
    wrong = {
        tmp_path: "it is a folder",
        tmp_path / "none" / "net.html": "is no folder",
        locked: "it is read-only",
    }
    for path, message in wrong.items():
        done = call("profile", "alexnet", f"--html={path}")
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1 and message in done.stderr
    assert locked.read_text() == "mine" and [*tmp_path.iterdir()] == [locked]


@pytest.mark.posix("/dev/null")
def test_a_page_that_would_be_a_device(call):
    done = call("profile", "alexnet", "--html=/dev/null")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cnnbook: cannot write /dev/null: it is a device or a pipe, not a file\n"


def test_list_names_the_architectures(call):
    assert "alexnet" in call("list").stdout.splitlines()


def test_claims_lists_verdicts_and_evidence(call):
    done = call("claims", "--json")
    found = {claim["id"]: claim for claim in json.loads(done.stdout)}
    false = {id for id, claim in found.items() if claim["verdict"] == "does not hold"}
    assert false == {"vgg/stage-3"} and done.returncode == 1
    assert found["alexnet/fc-params"]["verdict"] == "holds"
    assert "96.0%" in found["alexnet/fc-params"]["measured"]


def test_one_claim_by_its_name(call):
    done = call("claims", "alexnet/fc-params", "alexnet/early-memory", "--json")
    assert [one["id"] for one in json.loads(done.stdout)] == [
        "alexnet/fc-params", "alexnet/early-memory",
    ]  # fmt: skip
    wrong = call("claims", "alexnet/fc-param")
    assert wrong.returncode == 2 and "did you mean alexnet/fc-params" in wrong.stderr


def test_claims_that_are_undecided_or_not_measured_fail_only_when_strict(call, monkeypatch):
    evidence = {
        "a/open": claims.Evidence(None, "1 ± 2", open="about 9 seeds would tell"),
        "a/none": claims.Evidence(None, "has not run"),
    }
    cards = {
        id: claims.Card(claims.Claim(id, "a", "x", "y", None), e) for id, e in evidence.items()
    }
    monkeypatch.setattr(claims, "show", cards.__getitem__)
    assert call("claims", *cards).returncode == 0
    assert call("claims", *cards, "--strict").returncode == 1
    assert call("claims", "a/open", "--strict").returncode == 0
    shown = call("claims", "a/open").stdout
    assert "UNDECIDED" in shown and "about 9 seeds would tell" in shown


def test_claims_exit_status_tells_when_one_does_not_hold(call, monkeypatch):
    wrong = claims.Claim("a/b", "a", "x", "y", lambda: claims.Evidence(False, "1 > 2"))
    monkeypatch.setattr(claims, "ledger", lambda: (wrong,))
    monkeypatch.setattr(claims, "show", lambda id: claims.Card(wrong, wrong.check()))
    done = call("claims")
    assert done.returncode == 1 and "DOES NOT HOLD" in done.stdout


def test_data_says_what_a_set_holds(call):
    out = call("data", "fashion-mnist-mini").stdout
    assert "10,000 images" in out and "1×28×28" in out and "Ankle boot" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["profile", "alexnt"], "unknown architecture 'alexnt'; did you mean alexnet"),
        (["profile", "alexnet", "--variant", "papr"], "unknown variant 'papr'; did you mean paper"),
        (["profile", "alexnet", "--input", "3x9x9"], "at least 63×63, got 9×9"),
        (["profile", "alexnet", "--input", "1x3x224x224"], "without a batch dimension"),
        (["profile", "alexnet", "--input", "3x0x224"], "positive integers"),
        (["profile", "alexnet", "--input", "big"], "positive integers"),
        (["profile"], "name"),
        (["profile", "alexnet", "--wrong"], "--wrong"),
        (["profile", "alexnet", "--csv", "/no/such/folder/table.csv"], "cannot write /no/such"),
        (["data", "fashion-mnst"], "did you mean"),
        (["data", "imagefolder:/no/such/folder"], "/no/such/folder"),
        (["train", "resnet1"], "unknown architecture 'resnet1'; did you mean resnet18"),
        (["train", "resnet18", "--lr", "-1"], "lr must be a positive number, got -1.0"),
        (["train", "resnet18", "--epochs", "many"], "--epochs"),
        (["train", "resnet18", "--augment", "flop"], "unknown augment 'flop'; did you mean flip"),
        (["train", "resnet18", "--data", "fashion"], "unknown data set 'fashion'"),
        (["train", "resnet18", "--device", "gpu"], "no device 'gpu' here"),
        (["train", "resnet18", "--weights", "/no/such/w.pt"], "/no/such is no folder"),
        (["train", "vgg11", "--image-size", "16"], "at least 32×32, got 16×16"),
        (["measure", "resnet1"], "unknown architecture 'resnet1'; did you mean resnet18"),
        (["measure", "resnet20", "--dtype", "int8"], "unknown dtype 'int8'; there is float32"),
        (["measure", "resnet20", "--input", "1x3x8x8"], "without a batch dimension"),
        (["experiment", "zo"], "unknown experiment 'zo'; did you mean zoo?"),
        (["experiment", "zoo", "--scale", "big"], "unknown scale 'big'"),
        (["records", "zo"], "unknown experiment 'zo'; did you mean zoo?"),
        (["nothing"], "nothing"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(arguments, message, call):
    done = call(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr


def test_wrong_input_leaves_no_traceback():
    done = run("train", "resnet1")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and "did you mean resnet18" in done.stderr


def test_a_failed_write_leaves_the_old_file(tmp_path, call):
    target = tmp_path / "table.csv"
    target.mkdir()  # a folder cannot be replaced by a file
    done = call("profile", "alexnet", "--csv", target)
    assert done.returncode == 2 and "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == [target]


def test_train_trains_and_keeps_what_was_asked(tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "resnet20", "--image-size", 8, "--epochs", 1, "--batch-size", 250]
    arguments += ["--augment", "flip", "--augment", "crop", "--lr", 0.2]
    done = call(*arguments, "--weights", "w.pt")
    assert done.returncode == 0 and done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first.startswith("CifarResNet on fashion-mnist-mini: 1 epoch in ")
    accuracy = float(second.partition("%")[0].removeprefix("test accuracy "))
    assert accuracy > 15  # an epoch on 8 pixels; a tenth is chance
    model = models.create("resnet20", num_classes=10, in_channels=1)
    model.load_state_dict(torch.load(tmp_path / "w.pt"))
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("resnet20-fashion-mnist-mini-")
    assert {path.name for path in folder.iterdir()} == {"epoch-0000.pt", "epoch-0001.pt"}
    (tmp_path / "w.pt").unlink()
    again = call(*arguments, "--weights", "w.pt")  # the finished run, without training
    assert again.stdout.splitlines()[1] == second


@pytest.mark.posix("signals to a process")
def test_ctrl_c_leaves_a_checkpoint_that_only_the_same_run_goes_on_from(tmp_path):
    command = [sys.executable, "-m", "cnnbook", "train", "resnet20", "--epochs", "50"]
    command += ["--image-size", "8", "--checkpoint", "run"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores SIGINT, and so would everything that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            while not (tmp_path / "run" / "epoch-0000.pt").exists() and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert "goes on from there" in process.communicate(timeout=900)[1].splitlines()[-1]
        finally:
            process.kill()
    assert process.returncode == 130
    wrong = run(*command[3:], "--lr", 0.5, cwd=tmp_path)
    assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1
    assert "is of a run with lr 0.05, this one has 0.5" in wrong.stderr


def test_measure_times_a_network(call):
    arguments = ["measure", "resnet20", "--input", "1x8x8", "--batch-size", 2, "--device", "cpu"]
    found = json.loads(call(*arguments, "--json").stdout)
    assert (found["name"], found["batch_size"]) == ("CifarResNet", 2)
    assert found["seconds"] > 0 and found["runs"] >= 5
    assert "CifarResNet on 2×1×8×8, training" in call(*arguments, "--training").stdout


def test_experiments_are_listed_with_what_they_ask(call):
    lines = call("experiment").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(experiments.names())
    assert any(line.startswith("zoo ") and "Fashion-MNIST" in line for line in lines)


def test_records_lists_the_runs(tmp_path, call):
    done = call("records", "--folder", tmp_path)
    assert done.returncode == 0 and done.stdout == "No run is on record.\n"
    assert json.loads(call("records", "--folder", tmp_path, "--json").stdout) == []
    found = json.loads(call("records", "--json").stdout)
    assert {record["experiment"] for record in found} == set(records.names())
    for name in records.names()[:1]:
        table = call("records", name).stdout.splitlines()
        assert table[0].split()[:2] == ["arm", "seed"] and " on CPU (" in table[-1]


def test_help_does_not_load_torch():
    code = (
        "import sys\n"
        "from cnnbook import cli\n"
        "try:\n    cli.main(['--help'])\n"
        "finally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "profile" in done.stdout and "train" in done.stdout
