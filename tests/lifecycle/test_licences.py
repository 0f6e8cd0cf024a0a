"""Licences: recognised by their words, allowed by their identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero.lifecycle import classify, identifiers
from arriero.lifecycle.licences import refused

TEXTS = {
    "Apache-2.0": "   Apache License\n   Version 2.0, January 2004\n http://www.apache.org/",
    "MIT": "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a"
    ' copy of this software and associated documentation files (the "Software"), to deal in the'
    " Software without restriction",
    "BSD-3-Clause": "Redistribution and use in source and binary forms, with or without ... Neither"
    " the name of the copyright holder",
    "BSD-2-Clause": "Redistribution and use in source and binary forms, with or without",
    "GPL-3.0": "GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007",
    "AGPL-3.0": "GNU AFFERO GENERAL PUBLIC LICENSE\n Version 3, 19 November 2007",
    "CC-BY-NC-4.0": "Creative Commons Attribution-NonCommercial 4.0 International Public License",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International Public License",
    "LicenseRef-Llama-3.2": "LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nLlama 3.2 Version Release Date",
    "LicenseRef-Llama-3": "META LLAMA 3 COMMUNITY LICENSE AGREEMENT",
    "LicenseRef-Gemma": "Gemma Terms of Use \n\nLast modified: February 21, 2024",
    "LicenseRef-Qwen": "Tongyi Qianwen\nQwen LICENSE AGREEMENT",
    "LicenseRef-DeepSeek": "DEEPSEEK LICENSE AGREEMENT\nuse-based restrictions of the Responsible"
    " AI License (OpenRAIL-M)",
    "EUPL-1.2": "SPDX-License-Identifier: EUPL-1.2",
}


@pytest.mark.parametrize("identifier", TEXTS)
def test_a_licence_is_recognised(identifier: str) -> None:
    """However its lines are broken."""
    text = TEXTS[identifier]
    assert classify(text) == identifier
    assert classify("\n".join(text.split())) == identifier


def test_a_text_nobody_knows_is_named_by_its_digest() -> None:
    """So that exactly this text can be allowed."""
    name = classify("You may use it on Tuesdays.")
    assert name.startswith("LicenseRef-sha256-")
    assert name == classify(" You may use it on Tuesdays.\n") != classify("On Mondays.")


def test_each_licence_counts_once() -> None:
    """A model may bring several; blanks are none."""
    texts = [TEXTS["MIT"], " ", TEXTS["MIT"], TEXTS["Apache-2.0"]]
    assert identifiers(texts) == ("MIT", "Apache-2.0")
    assert identifiers([" "]) == identifiers([]) == ("NONE",)


@pytest.mark.parametrize(
    ("found", "allowed", "left"),
    [
        (("MIT",), None, ()),
        (("MIT",), ("MIT", "Apache-2.0"), ()),
        (("MIT", "GPL-3.0"), ("MIT",), ("GPL-3.0",)),
        (("LicenseRef-Llama-3.2",), ("LicenseRef-Llama-*",), ()),
        (("NONE",), ("MIT",), ("NONE",)),
        (("MIT",), (), ("MIT",)),
    ],
)
def test_every_licence_of_a_model_has_to_be_allowed(
    found: tuple[str, ...], allowed: tuple[str, ...] | None, left: tuple[str, ...]
) -> None:
    """None allows everything, an empty list nothing."""
    assert refused(found, allowed) == left


@given(st.text())
def test_any_text_has_an_identifier(text: str) -> None:
    """Blanks alone have none."""
    assert bool(classify(text)) == bool(text.strip())
