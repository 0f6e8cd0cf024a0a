"""Find the file, choose the profile, put the environment over it."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from arriero._config.sections import AUTH, PLAIN, SECTIONS, Place, arguments_of
from arriero._config.values import from_text, is_settable, nearest, settings_in
from arriero.errors import RequestError

DEFAULT = "default"
FILE = "arriero.toml"
_PROJECT = "pyproject.toml"
_PREFIX = "ARRIERO_"
_RESERVED = ("CONFIG", "PROFILE", "JOURNAL")


class Layer(NamedTuple):
    """One place that settings come from."""

    source: Literal["file", "profile", "environment"]
    table: Mapping[str, Any]
    profile: str = ""

    def where(self, section: str, field: str = "") -> str:
        """Say where a setting stands here: in which table, or in which variable."""
        if self.source != "environment":
            return f"[{self.profile}]"
        return _PREFIX + "_".join(filter(None, (section, field))).upper()


@dataclass(frozen=True, slots=True)
class Read:
    """A file and the environment, read for one profile, and not judged yet."""

    profile: str
    layers: tuple[Layer, ...] = field(repr=False)
    """Each is put over those before it."""
    place: Place

    @property
    def merged(self) -> dict[str, Any]:
        """All layers together."""
        made: dict[str, Any] = {}
        for layer in self.layers:
            made = _merged(made, layer.table)
        return made

    def layer_of(self, section: str, field: str = "") -> Layer | None:
        """Give the layer that a setting comes from; None if it is in none."""
        layers = (one for one in reversed(self.layers) if section in one.table)
        return next((one for one in layers if not field or field in one.table[section]), None)


def configured(
    path: str | os.PathLike[str] | None, profile: str | None, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Give the arguments of a client that a file and the environment stand for.

    Raises:
        RequestError: there is no file or profile, or it cannot be used; the text says where.
    """
    read = read_profile(file_named(path, environ), profile, environ)
    return arguments_of(read.merged, read.profile, read.place)


def file_named(path: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Path:
    """Give the file that is to be read.

    Raises:
        RequestError: none is named, and there is none upward.
    """
    named = path if path is not None else environ.get("ARRIERO_CONFIG") or None
    return Path(named) if named is not None else _found()


def profiles_in(file: Path) -> list[str]:
    """Give the names of a file's profiles, `default` first, be it there or not.

    Raises:
        RequestError: the file cannot be read.
    """
    return list(dict.fromkeys((DEFAULT, *_tables(file))))


def read_profile(file: Path, profile: str | None, environ: Mapping[str, str]) -> Read:
    """Read one profile of a file, and the environment.

    Raises:
        RequestError: the file is none, there is no such profile, or a variable is nearly the
            name of a setting.
    """
    tables = _tables(file)
    chosen = profile or environ.get("ARRIERO_PROFILE") or DEFAULT
    if chosen not in tables and chosen != DEFAULT:
        there = ", ".join(dict.fromkeys((DEFAULT, *tables)))
        hint = nearest(chosen, tables) or f"; there is {there}"
        raise RequestError(f"{file}: there is no profile {chosen!r}{hint}")
    for name in tables:
        if name in (*SECTIONS, *PLAIN, "auth"):
            raise RequestError(f"{file}: {name}: belongs to a profile: write [{DEFAULT}.{name}]")
        if not isinstance(tables[name], Mapping):
            raise RequestError(f"{file}: {name}: a profile is a table: write [{name}]")
    layers = [Layer("file", tables.get(DEFAULT, {}), DEFAULT)]
    if chosen != DEFAULT:
        layers.append(Layer("profile", tables[chosen], chosen))
    place = Place(str(file), str(file.resolve().parent), environ)
    overrides = _overrides(environ)
    if overrides:
        layers.append(Layer("environment", overrides))
        place = dataclasses.replace(place, file=f"{file} with the environment over it")
    return Read(chosen, tuple(layers), place)


def _found() -> Path:
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / FILE).is_file():
            return folder / FILE
        project = folder / _PROJECT
        if project.is_file() and "arriero" in _read(project).get("tool", {}):
            return project
    raise RequestError(
        f"no {FILE} and no [tool.arriero] in a {_PROJECT}, from {os.getcwd()} upward: name one by"
        " from_config(path), --file or ARRIERO_CONFIG"
    )


def _tables(path: Path) -> dict[str, Any]:
    read = _read(path)
    if path.name == _PROJECT:
        read = read.get("tool", {}).get("arriero", {})
    return read


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise RequestError(f"{path}: no TOML: {cause}") from cause
    except OSError as cause:
        raise RequestError(f"{path}: cannot be read: {cause.strerror}") from cause


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Put `over` over `under`: sections field by field, all else as a whole."""
    made = {**under, **over}
    for name in SECTIONS:
        if isinstance(under.get(name), Mapping) and isinstance(over.get(name), Mapping):
            made[name] = {**under[name], **over[name]}
    return made


def _overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    """Give what ``ARRIERO_<SECTION>_<FIELD>`` variables say, as tables.

    Raises:
        RequestError: one is nearly the name of a setting. Others belong to somebody else.
    """
    known = {name: (path, hint) for name, path, hint in _variables()}
    made: dict[str, Any] = {}
    for variable, text in environ.items():
        name = variable.removeprefix(_PREFIX)
        if name == variable or name in _RESERVED:
            continue
        if name not in known:
            hint = nearest(variable, (_PREFIX + one for one in known), 0.85)
            if hint:
                raise RequestError(f"{variable}: there is no such setting{hint}")
            continue
        (section, field), kind = known[name]
        table = made.setdefault(section, {}) if section else made
        table[field] = text if text == "none" else from_text(text, kind)
    return made


def _variables() -> Iterator[tuple[str, tuple[str, str], Any]]:
    for name, hint in PLAIN.items():
        yield name.upper(), ("", name), hint
    for name in AUTH:
        if name != "oauth2":
            yield f"AUTH_{name.upper()}", ("auth", name), str
    for section, kind in SECTIONS.items():
        for one in settings_in(kind):
            names, hint = [one.name] if is_settable(one.hint) else [], one.hint
            if one.is_secret:
                names, hint = [f"{one.name}_env", f"{one.name}_file"], str
            for name in names:
                yield f"{section}_{name}".upper(), (section, name), hint
