"""`make gpu-records`: its plan, its minutes, and real runs where only few packages are."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import gpu_records
import play_colab
import pytest
from gpu_records import Clock, Job, estimate, jobs, main, phases, run_group, wall_seconds

from cnnbook import experiments, records
from cnnbook.experiments import Trial

ROOT = Path(__file__).resolve().parents[1]
PRESENT = ("torch", "torchvision", "pandas", "numpy", "matplotlib", "tqdm")
SECONDS = 8  # what the call that ends by itself is given


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The jobs of an empty folder."""
    return jobs(list(gpu_records.ORDER), "full", (0, 1, 2), tmp_path_factory.mktemp("none"))


def test_every_experiment_is_in_the_plan_the_zoo_first_and_speed_last(full):
    for_gpus = {name for name in experiments.names() if "full" in experiments.find(name).seeds}
    assert set(gpu_records.ORDER) == for_gpus
    assert len(full) == len({str(job) for job in full})
    groups = list(phases(full, 8))
    assert [job for group, _ in groups for job in group] != full  # grouped anew, but all there
    assert sorted(str(job) for group, _ in groups for job in group) == sorted(map(str, full))
    (alone, one), (sharing, eight), (timed, once) = groups
    assert (one, eight, once) == (1, 8, 1)
    assert {job.experiment for job in alone} == {"zoo"}
    assert {job.experiment for job in timed} == {"speed"}
    seeds = [job.trial.seed for job in sharing]
    assert seeds == sorted(seeds) and sharing[0].experiment == "degradation"


def test_the_plan_fits_25_minutes_by_its_own_estimate(full):
    assert 5 < wall_seconds(full, gpu_records.WORKERS) / 60 < 25
    assert max(job.seconds for job in full) < 120  # far below the 10 minutes of a piece


def test_the_estimate_follows_steps_operations_and_layers():
    def seconds(architecture="resnet20", **recipe):
        trial = experiments.find("degradation").trials("full")[0]
        recipe = experiments._mechanism.replace(trial.recipe, **recipe)
        return estimate(Trial("a", architecture, recipe, {"in_channels": 1, "num_classes": 10}))

    start = gpu_records.START
    assert seconds(epochs=20) - start == pytest.approx(2 * (seconds(epochs=10) - start), rel=0.05)
    assert seconds("resnet56") > 2 * seconds("resnet20")  # waits for Python: layers count
    assert seconds("vgg16", image_size=224) > 10 * seconds("vgg16", image_size=32)  # operations do


def job(seconds, name="kernel-stacks", number=0):
    return Job(name, experiments.find(name).trials("quick")[number], seconds)


def test_no_run_starts_that_would_not_end():
    clock = Clock(time.monotonic() + 100)
    long, short = job(90.0), job(80.0, number=1)
    assert clock.first_that_fits([long, short]) is short  # 90 × 1.2 is more than 100
    assert Clock(None).first_that_fits([long, short]) is long
    clock.ratios += [2.0, 1.9, 7.0]  # runs take twice as long as estimated
    assert clock.first_that_fits([long, short]) is None
    clock.ratios[:] = [0.5]
    assert clock.first_that_fits([long, short]) is long


class Pretended:
    """A worker that ends at once, or never."""

    made: list[Pretended] = []

    def __init__(self, endless=False):
        self.mine, self.pipe = gpu_records.multiprocessing.Pipe()
        self.process, self.job, self.began, self.endless = self, None, 0.0, endless
        self.jobs, self.stopped = [], False
        Pretended.made.append(self)

    def start(self, job):
        self.job, self.began = job, time.monotonic()
        self.jobs.append(job)
        if not self.endless:
            self.mine.send((job.seconds < 9, "a result"))

    def is_alive(self):
        return True

    def stop(self):
        self.stopped = True


def test_what_does_not_end_is_given_up_at_the_limit(capsys):
    Pretended.made = []
    start = time.monotonic()
    counts = run_group([job(0.01)], Clock(start + 0.5), lambda: Pretended(endless=True), 4)
    assert counts == (0, 0) and 0.4 < time.monotonic() - start < 60
    assert [worker.stopped for worker in Pretended.made] == [True]
    assert capsys.readouterr().out == "kernel-stacks 5x5, seed 0: given up, the time is over\n"


def test_a_group_s_jobs_are_all_done_by_so_many_workers_and_failures_are_counted(capsys):
    Pretended.made = []
    todo = [job(1.0, number=number) for number in range(5)] + [job(9.0, number=5)]
    assert run_group(todo, Clock(None), Pretended, 3) == (5, 1)
    assert len(Pretended.made) == 3 and all(worker.stopped for worker in Pretended.made)
    done = [str(job) for worker in Pretended.made for job in worker.jobs]
    assert sorted(done) == sorted(map(str, todo))
    assert "3x3-3x3-3x3-linear, seed 0: a result" in capsys.readouterr().out


def test_without_cuda_it_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["--folder", str(tmp_path)]) == 2
    out, error = capsys.readouterr()
    assert out == "" and error == "gpu_records: no CUDA device here; nothing was run\n"


def test_without_the_images_it_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CNNBOOK_DATA", "")  # restored afterwards
    monkeypatch.setattr("cnnbook.data.fashion_mnist.DEBIAN_FOLDER", tmp_path)
    arguments = ["--device", "cpu", "--folder", tmp_path, "--data-root", tmp_path]
    assert main(list(map(str, arguments))) == 2
    out, error = capsys.readouterr()
    assert out == "" and error.count("\n") == 1
    assert error.startswith("gpu_records: fashion-mnist is neither in") and "--data-root" in error


def test_the_plan_is_printed(capsys, tmp_path):
    assert main(["--plan", "--folder", str(tmp_path), "--only", "speed", "zoo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"speed +\d+ runs, one at a time +about +\d+\.\d min", lines[1])
    assert re.fullmatch(r"\d+ runs, about \d+ min on an H100", lines[2]) and len(lines) == 3


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A Python that has torch, torchvision, pandas, numpy, matplotlib and tqdm, and the folders."""
    folder = tmp_path_factory.mktemp("bare")
    venv = [sys.executable, "-m", "venv", "--without-pip", folder / "environment"]
    subprocess.run(venv, check=True)
    base = {"base": folder / "environment", "platbase": folder / "environment"}
    packages = Path(sysconfig.get_path("purelib", vars=base | {"installed_base": base["base"]}))
    play_colab.show(play_colab.closure(PRESENT), packages)
    for name in ("cnnbook", "scripts"):
        play_colab.shutil.copytree(
            ROOT / name, folder / name, ignore=play_colab.shutil.ignore_patterns("__pycache__")
        )
    return folder


def test_the_plan_needs_few_packages(bare):
    command = [bare / "environment" / "bin" / "python", "scripts/gpu_records.py", "--plan"]
    done = subprocess.run(
        [*command, "--folder", bare / "none"],
        cwd=bare,
        env=play_colab.clean(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "min on an H100" in done.stdout, done.stderr


@pytest.mark.rare
@pytest.mark.posix("signals to a process")
def test_real_runs_in_pieces_where_only_few_packages_are(bare):
    python = bare / "environment" / "bin" / "python"
    environment = play_colab.clean() | {"CNNBOOK_COMMIT": "0123456789ab", "OMP_NUM_THREADS": "1"}

    def call(*arguments, code=None):
        command = [python, "-c", code] if code else [python, "scripts/gpu_records.py", *arguments]
        return subprocess.run(
            list(map(str, command)), cwd=bare, env=environment, capture_output=True, text=True
        )

    assert "No module named" in call(code="import cyclopts").stderr
    assert "No module named" in call(code="import IPython").stderr
    options = ["--device", "cpu", "--scale", "quick", "--only", "stem-search", "--seeds", "0"]
    options += ["--workers", "2", "--folder", bare / "records"]
    command = list(map(str, [python, "scripts/gpu_records.py", *options]))
    with subprocess.Popen(
        command,
        cwd=bare,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores SIGINT, and so would everything that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as first:
        until = time.monotonic() + 900
        while len(list((bare / "records").rglob("[!.]*.json"))) < 1 and time.monotonic() < until:
            time.sleep(0.1)
        first.send_signal(signal.SIGINT)
        assert first.communicate()[1] == "gpu_records: stopped; the same call goes on\n"
    assert first.returncode == 130
    found = {path: path.read_bytes() for path in (bare / "records").rglob("*.json")}
    assert 1 <= len(found) < 24

    second = call(*options, "--minutes", (SECONDS + gpu_records.RESERVE) / 60)
    assert second.returncode == 0, second.stderr
    minutes = float(re.search(r"recorded in ([\d.]+) minutes", second.stdout)[1])
    assert minutes <= (SECONDS + gpu_records.RESERVE) / 60 + 0.05  # it is rounded
    assert second.stdout.startswith(f"{24 - len(found)} of 24 runs have no record yet")
    assert all(path.read_bytes() == content for path, content in found.items())
    runs = records.load("stem-search", "quick", folder=bare / "records")
    left = int(re.search(r"minutes; (\d+) left, run it again", second.stdout)[1])
    assert len(runs) == 24 - left >= len(found)
    assert all(run.device.endswith(", shared by 2 runs") for run in runs)
    assert {run.commit for run in runs} == {"0123456789ab"} and runs[0].threads == 1
    assert runs[0].test_accuracy > 0.3
