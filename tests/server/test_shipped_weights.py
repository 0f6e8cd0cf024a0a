"""The model this package ships."""

from __future__ import annotations

import hashlib

from arriero.server.catalogue import WEIGHTS_SHA256, shipped_models


def test_the_weights_are_the_trained_ones() -> None:
    """The file is exactly the one the tests and recordings were made with."""
    assert shipped_models()["mini"].weights_digest == WEIGHTS_SHA256


def test_the_templates_are_the_trained_ones() -> None:
    """A changed template would change every prompt."""
    models = shipped_models()
    digests = {
        name: hashlib.sha256(models[name].chat_template.encode()).hexdigest()
        for name in ("mini", "mini-think")
    }
    assert digests == {
        "mini": "db6cb20d17ff5bd95c30e53ca63aa102f77a236292cb77cddc91f8fde1192548",
        "mini-think": "b92d43d84e5b8f4738c73529c3be52b3d5cc961d1f88f22d30c6b28838e05406",
    }


def test_each_name_has_its_capabilities() -> None:
    """One file of weights serves three purposes."""
    assert {name: model.capabilities for name, model in shipped_models().items()} == {
        "mini": ("completion", "tools"),
        "mini-think": ("completion", "tools", "thinking"),
        "mini-embed": ("embedding",),
    }


def test_the_three_have_different_digests() -> None:
    """They share weights but are different models."""
    assert len({model.digest for model in shipped_models().values()}) == 3
