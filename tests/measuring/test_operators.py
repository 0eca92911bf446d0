"""Where the time goes, operator by operator."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from cnnbook.measuring import operators


def test_time_shares_name_the_operator_that_does_all_the_work():
    pools = nn.Sequential(*[nn.MaxPool2d(3, stride=1, padding=1) for _ in range(4)])
    shares = operators.time_shares(pools, torch.randn(1, 32, 64, 64))
    assert sum(shares.values()) == pytest.approx(1)
    assert max(shares, key=shares.get) == "max pooling" and shares["batch norm"] == 0
    convs = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1))
    shares = operators.time_shares(convs, torch.randn(1, 64, 64, 64))
    assert max(shares, key=shares.get) == "convolution"


def test_the_profiler_s_library_is_quiet():
    program = (
        "import torch; from cnnbook.measuring import operators;"
        "operators.time_shares(torch.nn.ReLU(), torch.ones(4))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "KINETO_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
