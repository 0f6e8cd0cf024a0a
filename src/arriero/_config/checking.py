"""Everything that is wrong with a file and its environment, rather than the first of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from arriero._config.reading import DEFAULT, Layer, Read, profiles_in, read_profile
from arriero._config.sections import SECTIONS, arguments_of
from arriero._config.values import secret_from
from arriero.errors import RequestError
from arriero.identity import TokenFile


class Problem(NamedTuple):
    """One thing that is wrong."""

    where: str
    """Table path or variable; empty if it is about the file."""
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


def problems_of(read: Read) -> Iterator[Problem]:
    """Give what is wrong with the settings of a profile: field by field, then as they fit."""
    wrong: set[str] = set()
    for layer in read.layers:
        for problem, section in _within(layer, read):
            wrong.add(section)
            yield problem
    for section, value in read.merged.items():
        left = None if section in wrong else _problem({section: value}, read.profile, read)
        if left is not None:
            yield left
        elif section == "auth":
            yield from _absent(value, read)


def _absent(table: Mapping[str, Any], read: Read) -> Iterator[Problem]:
    """Give the token files that are not there now; a client waits for them until it calls."""
    path = f"{read.profile}.auth"
    auth: object = arguments_of({"auth": table}, read.profile, read.place)["auth"]
    several = cast("Mapping[str, object]", auth) if isinstance(auth, Mapping) else {"": auth}
    for origin, credential in several.items():
        if isinstance(credential, TokenFile):
            where = f'{path}."{origin}".token_file' if origin else f"{path}.token_file"
            try:
                secret_from(None, os.fspath(credential.path), {})
            except RequestError as error:
                yield Problem(where, str(error))


def _within(layer: Layer, read: Read) -> Iterator[tuple[Problem, str]]:
    path = layer.profile or read.profile
    for section, value in layer.table.items():
        if section == "auth":
            continue  # it is one thing, which a layer replaces as a whole
        for field, table in _alone(section, value):
            problem = _problem(table, path, read)
            # Of a section as a whole one field says nothing yet.
            if problem is None or (field and problem.where == f"{path}.{section}"):
                continue
            if layer.source == "environment":
                problem = Problem(layer.where(section, field), problem.text)
            yield problem, section


def _alone(section: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if section not in SECTIONS or not isinstance(value, Mapping):
        yield "", {section: value}
        return
    for field, one in cast("Mapping[str, Any]", value).items():
        yield field, {section: {field: one}}


def _problem(table: Mapping[str, Any], path: str, read: Read) -> Problem | None:
    try:
        arguments_of(table, path, read.place)
    except RequestError as error:
        where, _, text = str(error).removeprefix(f"{read.place.file}: ").partition(": ")
        return Problem(where, text)
    return None


def checked(
    file: Path, profile: str | None, environ: Mapping[str, str]
) -> Mapping[str, list[Problem]]:
    """Give what is wrong with each profile of a file, or with one.

    What is wrong with `default` is not said again of those that are put over it.
    """
    made: dict[str, list[Problem]] = {}
    said: set[str] = set()
    try:
        for name in [profile] if profile is not None else profiles_in(file):
            made[name] = []
            for problem in problems_of(read_profile(file, name, environ)):
                key = f"{problem.where.partition('.')[2]} {problem.text}"
                if key not in said:
                    said.add(key)
                    made[name].append(problem)
    except RequestError as error:  # no profile can be read then
        text = str(error).removeprefix(f"{file}: ")
        made = {profile or DEFAULT: [Problem("", text)]}
    return made
