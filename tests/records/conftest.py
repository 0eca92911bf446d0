"""Records made by hand, in a folder of their own."""

from dataclasses import replace

import pandas as pd
import pytest

from cnnbook import Recipe
from cnnbook.records import Record, Timing, save


@pytest.fixture
def make():
    """Make a record; keywords replace its fields."""

    def make(**fields) -> Record:
        recipe = Recipe(epochs=2, augment=("flip",), seed=fields.get("seed", 0))
        history = pd.DataFrame({
            "epoch": [1, 2],
            "lr": [0.05, 0.025],
            "train_loss": [1.5, 0.75],
            "train_accuracy": [0.5, 0.75],
            "validation_loss": [1.25, 1.0],
            "validation_accuracy": [0.55, 0.65],
            "seconds": [2.0, 1.5],
            "images_per_second": [500.0, 1000.0],
        })  # fmt: skip
        record = Record(
            experiment="two-networks",
            scale="quick",
            arm="plain-20",
            architecture="plain20",
            options={"num_classes": 10, "widths": [16, 32, 64]},
            recipe=recipe,
            seed=recipe.seed,
            data="fashion-mnist-mini",
            data_checksum="0123456789abcdef" * 4,
            train_images=1000,
            parameters=269_034,
            device="CPU (a processor)",
            threads=2,
            versions={"python": "3.12.1", "torch": "2.15.0", "torchvision": "0.29", "cnnbook": "1"},
            commit="0123456789ab",
            started="2026-02-03T04:05:06Z",
            seconds=4.5,
            history=history,
            test_loss=0.9,
            test_accuracy=0.66,
        )
        return replace(record, **fields)

    return make


@pytest.fixture
def timing():
    """Make a timing; keywords replace its fields."""
    made = Timing(
        experiment="two-networks",
        scale="quick",
        arm="alexnet-inference-float32-4",
        architecture="alexnet",
        options={},
        parameters=61_100_840,
        device="CPU (a processor)",
        threads=1,
        versions={"python": "3.12.1", "torch": "2.15.0", "torchvision": "0.29", "cnnbook": "1"},
        commit="0123456789ab",
        started="2026-02-03T04:05:06Z",
        seconds=4.5,
        input_size=[3, 224, 224],
        batch_size=4,
        training=False,
        dtype="float32",
        channels_last=True,
        runs=9,
        latency=0.02,
        lower_quartile=0.019,
        upper_quartile=0.021,
        peak_memory=None,
        flops=1_000_000_000,
        moved_bytes=250_000_000,
        peak_operations=2e11,
        peak_operations_source="measured: a product",
        peak_bandwidth=1e10,
        peak_bandwidth_source="measured: a copy",
    )
    return lambda **fields: replace(made, **fields)


@pytest.fixture
def folder(make, tmp_path):
    """A folder with the records of three arms and two seeds."""
    for arm in ("plain-110", "plain-20", "resnet-20"):
        for seed in (1, 0):
            save(make(arm=arm, seed=seed), tmp_path)
    return tmp_path
