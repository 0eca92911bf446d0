"""cnnbook: the models, measures, claims and training of an executable book on CNN
architectures."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from cnnbook._version import __version__ as __version__

# Where each public name lives. Loaded on first use, so that `import cnnbook` costs
# nothing.
_HOMES = {
    "claims": "cnnbook.claims",
    "data": "cnnbook.data",
    "experiments": "cnnbook.experiments",
    "figures": "cnnbook.figures",
    "models": "cnnbook.models",
    "records": "cnnbook.records",
    "Profile": "cnnbook.profiling:Profile",
    "profile": "cnnbook.profiling:profile",
    "Recipe": "cnnbook.training:Recipe",
    "Run": "cnnbook.training:Run",
    "fit": "cnnbook.training:fit",
    "source": "cnnbook.teaching:source",
    "scaling_efficiency": "cnnbook.measuring:scaling_efficiency",
}
__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from cnnbook import claims, data, experiments, figures, models, records
    from cnnbook.measuring import scaling_efficiency
    from cnnbook.profiling import Profile, profile
    from cnnbook.teaching import source
    from cnnbook.training import Recipe, Run, fit


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnbook' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    found = importlib.import_module(module)
    globals()[name] = found = getattr(found, attribute) if attribute else found
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
