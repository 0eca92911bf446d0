from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def html() -> Path:
    """The built book. `make test` builds it; these tests look at what a reader gets."""
    html = ROOT / "_build" / "html"
    assert (html / "index.html").exists(), "no built book in _build/html: run `make book` first"
    return html
