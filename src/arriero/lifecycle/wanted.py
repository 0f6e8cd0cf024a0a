"""`models.toml`: the models that are wanted, on which hosts, and what they must be."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import msgspec

from arriero._core.api.arguments import keep_alive_to_wire
from arriero._core.host import parse_host
from arriero._core.registry import checked_digest, checked_name
from arriero.errors import ArrieroError, RequestError
from arriero.types.ensured import SmokeTest

FILE = "models.toml"


class Smoke(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A smoke test, as the file has it; see `arriero.SmokeTest`."""

    prompt: str
    expect: str | None = None
    options: dict[str, Any] = {}
    timeout_s: float = 300.0

    def test(self) -> SmokeTest:
        """Give the test. Raises `RequestError` if it makes no sense."""
        return SmokeTest(self.prompt, self.expect, self.options, self.timeout_s)


class WantedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model that is wanted.

    With `from_` or `files` it is made by the server, else it is pulled.
    """

    name: str = ""
    """The name it is served under."""
    digest: str | None = None
    """Digest of the manifest; None takes what is there when the lock is made."""
    source: str | None = None
    """Name it is pulled under, where that is another one."""
    insecure: bool = False
    """Whether the server may speak plain http to the registry."""
    from_: str | None = msgspec.field(name="from", default=None)
    """Model it is made from."""
    files: tuple[str, ...] = ()
    """GGUF files it is made from, relative to the file."""
    adapters: tuple[str, ...] = ()
    """LoRA adapters, relative to the file."""
    system: str | None = None
    template: str | None = None
    parameters: dict[str, Any] = {}
    license: str | None = None
    """Text of a licence that a made model has besides those of its base."""
    keep_alive: str | float | None = None
    """How long it stays loaded when warmed."""
    preload: bool = False
    """Whether `warm` loads it."""
    num_ctx: int | None = None
    """Context it is used with: counted by the preflight, and loaded with by `warm`."""
    licences: tuple[str, ...] | None = None
    """SPDX identifiers it may have; None takes the defaults'."""
    hosts: tuple[str, ...] | None = None
    """Hosts it belongs on; None takes the defaults'."""
    smoke: tuple[Smoke, ...] = ()

    @property
    def is_made(self) -> bool:
        """True if the server makes it, False if it is pulled."""
        return self.from_ is not None or bool(self.files)

    @property
    def pull_name(self) -> str:
        """Name it is pulled under."""
        return self.source or self.name

    @property
    def fingerprint(self) -> str:
        """Digest of what a lock depends on; a change makes the lock stale."""
        fields = {
            key: value
            for key, value in msgspec.to_builtins(self).items()
            if key not in _NOT_LOCKED and value
        }
        text = msgspec.json.encode(fields, order="deterministic")
        return f"sha256:{hashlib.sha256(text).hexdigest()}"


_NOT_LOCKED = frozenset({"keep_alive", "preload", "num_ctx", "licences", "hosts", "smoke"})
"""What says how a model is used or checked, not which one it is."""


class _Defaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hosts: tuple[str, ...] = ()
    licences: tuple[str, ...] | None = None
    keep_alive: str | float | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: dict[str, WantedModel]
    defaults: _Defaults = _Defaults()


@dataclass(frozen=True, slots=True)
class Wanted:
    """All models that are wanted, bases before what is made of them."""

    models: Mapping[str, WantedModel]
    """By name, tag included; every default filled in."""
    folder: Path
    """Where files and adapters are relative to."""

    def on(self, host: str) -> Iterator[WantedModel]:
        """Give the models that belong on a host; one that names no hosts belongs on each."""
        url = parse_host(host).url
        for model in self.models.values():
            if not model.hosts or any(parse_host(one).url == url for one in model.hosts):
                yield model

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that is named, in the order of the file."""
        return tuple(
            dict.fromkeys(host for one in self.models.values() for host in one.hosts or ())
        )

    def path_of(self, file: str) -> Path:
        """Give the path of a file or adapter."""
        return self.folder / file


def read_wanted(path: str | Path = FILE) -> Wanted:
    """Read what is wanted.

    Raises:
        RequestError: the file cannot be read, is no TOML, has unknown keys, or contradicts itself.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "it is no UTF-8"
        raise RequestError(f"{path} cannot be read: {reason}") from cause
    try:
        return parse_wanted(text, path.parent)
    except RequestError as error:
        raise RequestError(f"{path}: {error.error}") from error


def parse_wanted(text: str, folder: str | Path = ".") -> Wanted:
    """Read what is wanted from the text of a file. Raises `RequestError`."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise RequestError(str(cause)) from cause
    file = _converted(raw)
    models: dict[str, WantedModel] = {}
    for given, model in file.models.items():
        made = _checked(given, model, file.defaults)
        if made.name in models:
            raise RequestError(f"models.{given!r} is there twice: it is {made.name!r}")
        models[made.name] = made
    return Wanted(_bases_first(models), Path(folder))


def _converted(raw: dict[str, Any]) -> _File:
    try:
        return msgspec.convert(raw, _File)
    except msgspec.ValidationError as cause:
        where, told = "", cause
        models: object = raw.get("models")
        several = cast("dict[str, object]", models) if isinstance(models, dict) else {}
        for name, model in several.items():
            try:
                msgspec.convert(model, WantedModel)
            except msgspec.ValidationError as own:  # it says which model is meant
                where, told = f"models.{name!r}: ", own
                break
        raise RequestError(where + _explained(str(told))) from cause


_UNFIT = re.compile(
    r"(?:Object contains unknown field `(?P<unknown>.*?)`"
    r"|Object missing required field `(?P<missing>.*?)`"
    r"|Expected `(?P<wanted>.*?)`, got `(?P<found>.*?)`)"
    r"(?: - at `\$\.?(?P<path>.*?)`)?\Z"
)
"""What msgspec says, which knows JSON and not TOML."""

_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "array": "a list",
    "object": "a table",
}


def _explained(message: str) -> str:
    """Say it in words of TOML, with what may have been meant by an unknown key."""
    found = _UNFIT.match(message)
    if not found:
        return message
    path = f"{found['path']}: " if found["path"] else ""
    if found["missing"]:
        return f"{path}needs {found['missing']!r}"
    if found["wanted"]:
        wanted = [_KINDS.get(kind, kind) for kind in found["wanted"].split(" | ") if kind != "null"]
        given = _KINDS.get(found["found"], found["found"])
        return f"{path}takes {' or '.join(wanted)}, not {given}"
    known = (*WantedModel.__struct_encode_fields__, "defaults", "models")
    near = " or ".join(map(repr, get_close_matches(found["unknown"], known, 2, 0.7)))
    hint = f"; did you mean {near}?" if near else ""
    return f"{path}there is no key {found['unknown']!r}{hint}"


def _checked(given: str, model: WantedModel, defaults: _Defaults) -> WantedModel:
    where = f"models.{given!r}"
    if model.name:
        raise RequestError(f"{where}: the name is the key, so leave 'name' out")
    name = checked_name(given, where).shortest
    pulled = [key for key in ("digest", "source") if getattr(model, key)]
    made = [key for key in ("adapters", "system", "template", "parameters", "license")
            if getattr(model, key)]  # fmt: skip
    if model.is_made and pulled:
        raise RequestError(f"{where}: a model with 'from' or 'files' has no {pulled[0]!r}")
    if not model.is_made and made:
        raise RequestError(f"{where}: {made[0]!r} needs 'from' or 'files' to build on")
    if model.from_ is not None and model.files:
        raise RequestError(f"{where}: 'from' or 'files', not both")
    if model.num_ctx is not None and model.num_ctx < 1:
        raise RequestError(f"{where}: num_ctx takes 1 or more tokens")
    keep_alive = model.keep_alive if model.keep_alive is not None else defaults.keep_alive
    try:
        keep_alive_to_wire(keep_alive)
        for smoke in model.smoke:
            smoke.test()
        for host in model.hosts or defaults.hosts:
            parse_host(host)
    except ArrieroError as error:
        raise RequestError(f"{where}: {error}") from error
    return msgspec.structs.replace(
        model,
        name=name,
        digest=None if model.digest is None else checked_digest(model.digest, where),
        source=None if model.source is None else checked_name(model.source, where).shortest,
        from_=None if model.from_ is None else checked_name(model.from_, where).shortest,
        licences=model.licences if model.licences is not None else defaults.licences,
        hosts=model.hosts if model.hosts is not None else defaults.hosts,
        keep_alive=keep_alive,
    )


def _bases_first(models: Mapping[str, WantedModel]) -> dict[str, WantedModel]:
    ordered: dict[str, WantedModel] = {}

    def place(model: WantedModel, above: tuple[str, ...]) -> None:
        if model.name in above:
            raise RequestError(f"models: {' is made from '.join([*above, model.name])}")
        base = models.get(model.from_ or "")
        if base is not None:
            place(base, (*above, model.name))
        ordered.setdefault(model.name, model)

    for model in models.values():
        place(model, ())
    return ordered
