"""What a client would be made of, and where each of its settings comes from. No secret is shown."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from arriero._config.reading import Layer, Read
from arriero._config.sections import AUTH, PLAIN, SECTIONS, Place, arguments_of, nested_in
from arriero._config.values import Setting, converted, is_settable, settings_in
from arriero._core.host import origin_named, parse_host, without_credentials
from arriero._core.policy.cleartext import is_secret
from arriero._core.proxy import proxy_for
from arriero.identity import OAuth2ClientCredentials

HIDDEN = "[secret]"

PLAIN_DEFAULTS: Mapping[str, object] = {
    "headers": {},
    "proxy": None,
    "follow_redirects": True,
    "max_line_bytes": 64 << 20,
    "trust_env": True,
    "cleartext_credentials": "warn",
}
"""What a client does without being told; its host is another matter."""

_ON = ("timeouts", "retry", "tls", "pool")
"""Sections that a client has even if nobody names them."""

Source = Literal["default", "file", "profile", "environment"]


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it will be."""

    name: str
    value: object
    """As JSON has it. Of a secret: where it is, never what it is."""
    source: Source
    where: str = ""
    """The table or the variable that says so; empty for a default."""
    missing: str = ""
    """Of a secret that is not there: what was looked for."""


def effective(read: Read) -> list[Effective]:
    """Give every setting of a client; a secret that is not there is marked.

    Raises:
        RequestError: some setting is wrong; as for the client that is made of it.
    """
    missing = dict[str, str]()
    place = dataclasses.replace(read.place, missing=missing)
    arguments = arguments_of(read.merged, read.profile, place)
    found = (*_host_and_proxy(read, arguments), *_plain(read, arguments), *_auth(read), *_all(read))
    return [_marked(one, missing.get(f"{read.profile}.{one.name}")) for one in found]


def _marked(one: Effective, missing: str | None) -> Effective:
    return one if missing is None else dataclasses.replace(one, missing=missing)


def _from(layer: Layer | None, section: str, field: str = "") -> tuple[Source, str]:
    return ("default", "") if layer is None else (layer.source, layer.where(section, field))


def _host_and_proxy(read: Read, arguments: Mapping[str, Any]) -> Iterator[Effective]:
    environ = read.place.environ
    given = arguments.get("host")
    source, where = _from(read.layer_of("host"), "host")
    if given is None and environ.get("OLLAMA_HOST"):
        given, source, where = environ["OLLAMA_HOST"], "environment", "OLLAMA_HOST"
    base = parse_host(given)
    yield Effective("host", base.url, source, where)
    proxy = arguments.get("proxy")
    source, where = _from(read.layer_of("proxy"), "proxy")
    if proxy is None and arguments.get("trust_env", True):
        proxy = proxy_for(base.url, environ)
        if proxy is not None:
            proxy = without_credentials(proxy)
            source, where = "environment", "proxy variables"
    yield Effective("proxy", proxy, source, where)


def _plain(read: Read, arguments: Mapping[str, Any]) -> Iterator[Effective]:
    for name in PLAIN:
        if name not in ("host", "proxy"):
            value = arguments.get(name, PLAIN_DEFAULTS[name])
            if name == "headers":
                value = {key: HIDDEN if is_secret(key) else one for key, one in value.items()}
            yield Effective(name, value, *_from(read.layer_of(name), name))


def _auth(read: Read) -> Iterator[Effective]:
    layer = read.layer_of("auth")
    if layer is not None:
        yield from _credentials(layer.table["auth"], "auth", layer, read.place)
    elif read.place.environ.get("OLLAMA_API_KEY"):
        name = 'auth."https://ollama.com:443".token_env'
        yield Effective(name, "OLLAMA_API_KEY", "environment", "OLLAMA_API_KEY")
    else:
        yield Effective("auth", None, "default")


def _credentials(
    table: Mapping[str, Any], path: str, layer: Layer, place: Place
) -> Iterator[Effective]:
    for name, value in table.items():
        if "://" in name:
            yield from _credentials(value, f'{path}."{origin_named(name)}"', layer, place)
        elif name == "oauth2":
            whence = _Whence(layer, "auth")
            yield from _fields(OAuth2ClientCredentials, value, f"{path}.oauth2", place, whence)
        elif name in AUTH:
            yield Effective(f"{path}.{name}", value, *_from(layer, "auth", name))


def _all(read: Read) -> Iterator[Effective]:
    merged = read.merged
    for section, kind in SECTIONS.items():
        table = merged.get(section)
        if table is None and section not in _ON:
            yield Effective(section, "off", "default")
            continue
        whence = _Whence(read, section)
        yield from _fields(kind, table or {}, section, read.place, whence)


class _Whence(NamedTuple):
    """Where the fields of a table come from."""

    of_all: Read | Layer | None
    section: str

    def layer_of(self, field: str) -> Layer | None:
        """Give the layer of a field that is set."""
        whole = self.of_all
        return whole.layer_of(self.section, field) if isinstance(whole, Read) else whole

    def of(self, field: str) -> tuple[Source, str]:
        """Give source and place of a field that is set."""
        return _from(self.layer_of(field), self.section, field)


def _fields(
    kind: type, table: Mapping[str, Any], path: str, place: Place, whence: _Whence
) -> Iterator[Effective]:
    for one in settings_in(kind):
        yield from _field(one, table, path, place, whence)


def _field(
    one: Setting, table: Mapping[str, Any], path: str, place: Place, whence: _Whence
) -> Iterator[Effective]:
    if one.is_secret:
        for name in (f"{one.name}_env", f"{one.name}_file"):
            if name in table:
                yield Effective(f"{path}.{name}", table[name], *whence.of(name))
        return
    if not is_settable(one.hint):
        return
    name, nested, value = f"{path}.{one.name}", nested_in(one.hint), table.get(one.name)
    if nested is not None and isinstance(value, Mapping):
        inner = _Whence(whence.layer_of(one.name), whence.section)
        yield from _fields(nested, cast("Mapping[str, Any]", value), name, place, inner)
        return
    if one.name not in table:
        yield Effective(name, _json(one.default), "default")
        return
    made = None if nested is not None else converted(value, one.hint, place.folder)
    yield Effective(name, HIDDEN if one.is_hidden and made else _json(made), *whence.of(one.name))


def _json(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_json(one) for one in cast("tuple[object, ...]", value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _json(getattr(value, one.name)) for one in dataclasses.fields(value)}
    return os.fspath(value) if isinstance(value, Path) else value
