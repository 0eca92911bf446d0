"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def run(*arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "cnnbook", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def test_profile_prints_the_lecture_s_table():
    done = run("profile", "alexnet", "--input", "3x227x227")
    assert done.returncode == 0 and done.stderr == ""
    first = done.stdout.splitlines()[2].split()
    assert first == ["features.0", "conv", "64×56×56", "784.00", "23,296", "72,855,552", "11"]


def test_profile_as_json_and_csv(tmp_path):
    path = tmp_path / "table.csv"
    done = run("profile", "alexnet", "--variant", "paper", "--json", "--csv", path)
    assert json.loads(done.stdout)["layers"][0]["output"] == [96, 55, 55]
    assert path.read_text().splitlines()[1].startswith("conv1,conv,96x55x55,")
    assert list(tmp_path.iterdir()) == [path]


def test_list_names_the_architectures():
    assert "alexnet" in run("list").stdout.splitlines()


def test_claims_lists_verdicts_and_evidence():
    done = run("claims", "--json")
    assert done.returncode == 0
    found = {claim["id"]: claim for claim in json.loads(done.stdout)}
    assert found["alexnet/fc-params"]["verdict"] == "holds"
    assert "96.0%" in found["alexnet/fc-params"]["measured"]


def test_claims_exit_status_tells_when_one_does_not_hold():
    code = (
        "from cnnbook import claims, cli\n"
        "wrong = claims.Claim('a/b', 'a', 'x', 'y', lambda: claims.Evidence(False, '1 > 2'))\n"
        "claims.ledger = lambda: (wrong,)\n"
        "claims.show = lambda id: claims.Card(wrong, wrong.check())\n"
        "cli.main(['claims'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "DOES NOT HOLD" in done.stdout


def test_data_says_what_a_set_holds():
    out = run("data", "fashion-mnist-mini").stdout
    assert "10,000 images" in out and "1×28×28" in out and "Ankle boot" in out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["profile", "alexnt"], "unknown architecture 'alexnt'; did you mean alexnet?"),
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
        (["nothing"], "nothing"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "table.csv"
    target.mkdir()  # a folder cannot be replaced by a file
    done = run("profile", "alexnet", "--csv", target)
    assert done.returncode == 2 and "cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == [target]


def test_help_does_not_load_torch():
    code = (
        "import sys\n"
        "from cnnbook import cli\n"
        "try:\n    cli.main(['--help'])\n"
        "finally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "profile" in done.stdout
