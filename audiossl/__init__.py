"""Self-supervised learning of sound representations: pretrain, embed, evaluate.

Importing `audiossl` imports no torch: the functions below live in `audiossl.api` and are fetched when first used, and
so is `audiossl.embeddings`, which reads what `embed` made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiossl.version import __version__ as __version__

if TYPE_CHECKING:
    from audiossl import embeddings as embeddings
    from audiossl.api import compare as compare
    from audiossl.api import embed as embed
    from audiossl.api import evaluate as evaluate
    from audiossl.api import evaluate_sets as evaluate_sets
    from audiossl.api import load as load
    from audiossl.api import pretrain as pretrain

__all__ = ["__version__", "compare", "embed", "embeddings", "evaluate", "evaluate_sets", "load", "pretrain"]


def __getattr__(name: str) -> object:
    if name == "embeddings":
        from importlib import import_module

        return import_module("audiossl.embeddings")
    if name in __all__:
        from audiossl import api

        return getattr(api, name)
    raise AttributeError(f"module 'audiossl' has no attribute {name!r}")
