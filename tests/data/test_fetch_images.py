"""Where the tests' images come from: what is there, Debian, or the download."""

from __future__ import annotations

import fetch_images
import pytest

from cnnbook import data
from cnnbook.data import fashion_mnist


@pytest.fixture
def asked(monkeypatch):
    """What was asked for, in turn; nothing is there, and nothing can be had."""
    found: list[str] = []

    def load(name):
        found.append(f"download {name}")
        raise data.DataError("no network")

    monkeypatch.setattr(fashion_mnist, "find", lambda root: {})
    monkeypatch.setattr(fetch_images.debian, "install", lambda name: bool(found.append(name)))
    monkeypatch.setattr(data, "load", load)
    return found


def test_what_is_there_is_not_fetched(asked, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "find", lambda root: {"images": "a file"})
    fetch_images.main()
    assert asked == []


def test_debian_s_package_is_preferred(asked, monkeypatch):
    monkeypatch.setattr(fetch_images.debian, "install", lambda name: not asked.append(name))
    fetch_images.main()
    assert asked == ["dataset-fashion-mnist"]


def test_then_the_download_and_then_a_line_that_says_what_is_missing(asked, capsys):
    fetch_images.main()
    assert asked == ["dataset-fashion-mnist", "download fashion-mnist"]
    assert capsys.readouterr().err == "no network; the tests that need it will fail\n"


@pytest.mark.parametrize("who, tool", [(1000, "/usr/bin/apt-get"), (0, None)])
def test_nothing_is_installed_by_others_than_root_or_elsewhere(monkeypatch, who, tool):
    monkeypatch.setattr(fetch_images.debian.shutil, "which", lambda name: tool)
    monkeypatch.setattr(fetch_images.debian.os, "geteuid", lambda: who, raising=False)
    monkeypatch.setattr(fetch_images.debian.subprocess, "run", lambda *_: 1 / 0)
    assert not fetch_images.debian.install("dataset-fashion-mnist")
