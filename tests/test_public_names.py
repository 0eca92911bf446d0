from __future__ import annotations

import subprocess
import sys

import pytest

import cnnbook


def test_every_public_name_is_there():
    for name in cnnbook.__all__:
        assert getattr(cnnbook, name) is not None
    assert set(cnnbook.__all__) <= set(dir(cnnbook))
    assert callable(cnnbook.profile) and callable(cnnbook.fit)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'profil'"):
        cnnbook.profil  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, cnnbook; assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_source_is_the_code_that_runs():
    shown = cnnbook.source(cnnbook.models.AlexNet2012.forward)
    assert repr(shown).startswith("def forward(self, images: Tensor)")
    assert shown._repr_markdown_() == f"```python\n{shown!r}\n```"
