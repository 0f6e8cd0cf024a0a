"""Licences: which one a text is, and whether it is allowed.

A text is recognised by its title and by sentences only it has, after its blanks are made
equal. What is no licence of the SPDX list has a ``LicenseRef-`` of its own; a text nobody here
knows is named by its digest, so that exactly this text can be allowed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

NONE = "NONE"
"""Identifier of a model that brings no licence at all."""

_MARKS: tuple[tuple[str, str], ...] = (
    ("Apache-2.0", r"apache license,? version 2\.0"),
    ("MIT", r"permission is hereby granted, free of charge, to any person obtaining a copy of this"
            r" software and associated documentation files .{0,20}to deal in the software without"),
    ("BSD-3-Clause", r"redistribution and use in source and binary forms.*neither the name of"),
    ("BSD-2-Clause", r"redistribution and use in source and binary forms(?!.*neither the name of)"),
    ("AGPL-3.0", r"gnu affero general public license.{0,40}version 3"),
    ("LGPL-3.0", r"gnu lesser general public license.{0,40}version 3"),
    ("GPL-3.0", r"gnu general public license.{0,40}version 3"),
    ("MPL-2.0", r"mozilla public license.{0,10}version 2\.0"),
    ("CC-BY-NC-ND-4.0", r"attribution-noncommercial-noderivatives 4\.0|cc[- ]by[- ]nc[- ]nd[- ]4"),
    ("CC-BY-NC-SA-4.0", r"attribution-noncommercial-sharealike 4\.0|cc[- ]by[- ]nc[- ]sa[- ]4"),
    ("CC-BY-NC-4.0", r"attribution-noncommercial 4\.0|cc[- ]by[- ]nc[- ]4"),
    ("CC-BY-SA-4.0", r"attribution-sharealike 4\.0|cc[- ]by[- ]sa[- ]4"),
    ("CC-BY-4.0", r"attribution 4\.0 international|cc[- ]by[- ]4"),
    ("CC0-1.0", r"cc0 1\.0 universal"),
    ("LicenseRef-Llama-4", r"llama 4 community license"),
    ("LicenseRef-Llama-3.3", r"llama 3\.3 community license"),
    ("LicenseRef-Llama-3.2", r"llama 3\.2 community license"),
    ("LicenseRef-Llama-3.1", r"llama 3\.1 community license"),
    ("LicenseRef-Llama-3", r"meta llama 3 community license"),
    ("LicenseRef-Llama-2", r"llama 2 community license"),
    ("LicenseRef-Gemma", r"gemma terms of use"),
    ("LicenseRef-Qwen-Research", r"qwen research license"),
    ("LicenseRef-Qwen", r"(?:tongyi )?qwen license agreement"),
    ("LicenseRef-DeepSeek", r"deepseek license agreement"),
    ("LicenseRef-Mistral-Research", r"mistral ai research license"),
    ("LicenseRef-Mistral-Non-Production", r"mistral ai non-production license"),
    ("LicenseRef-Falcon", r"falcon.{0,20}license"),
    ("LicenseRef-Exaone", r"exaone ai model license"),
    ("LicenseRef-OpenRAIL-M", r"openrail-?m|responsible ai license"),
)  # fmt: skip
"""Identifiers, and what is found in the text, blanks and case made equal."""

_TAG = re.compile(r"spdx-license-identifier:\s*([\w.+-]+)", re.IGNORECASE)
_OF_A_PRODUCT = re.compile(r"LicenseRef-(?!OpenRAIL)")


def classify(text: str) -> str:
    """Give the identifier of one licence text; "" for a text of blanks."""
    if not text.strip():
        return ""
    if tagged := _TAG.search(text):
        return tagged[1]
    folded = " ".join(text.lower().split())
    found = [(identifier, match.start()) for identifier, mark in _MARKS
             if (match := re.search(mark, folded))]  # fmt: skip
    if not found:
        digest = hashlib.sha256(text.strip().encode()).hexdigest()
        return f"LicenseRef-sha256-{digest[:12]}"
    # A licence of a product may quote a general one, never the other way round.
    own = [one for one in found if _OF_A_PRODUCT.match(one[0])]
    return min(own or found, key=lambda one: one[1])[0]


def identifiers(texts: Iterable[str]) -> tuple[str, ...]:
    """Give the identifiers of a model's licence texts, each once; `NONE` if it has none."""
    found = dict.fromkeys(classify(text) for text in texts if text.strip())
    return tuple(found) or (NONE,)


def refused(found: Sequence[str], allowed: Sequence[str] | None) -> tuple[str, ...]:
    """Give those of a model's licences that are not allowed.

    Args:
        found: Its identifiers.
        allowed: Identifiers; ``*`` stands for any characters, as in ``LicenseRef-Llama-*``.
            None allows everything.
    """
    if allowed is None:
        return ()
    return tuple(one for one in found if not any(fnmatchcase(one, each) for each in allowed))
