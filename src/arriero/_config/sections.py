"""From the tables of a profile to the arguments of a client.

A class of settings becomes a section by one line in `SECTIONS`; what it takes, of which types, and
which of it is secret come from its annotations.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from arriero._config.values import (
    Unfit,
    converted,
    is_settable,
    nearest,
    parts_of,
    secret_from,
    settings_in,
    shown,
)
from arriero._core.host import origin_named
from arriero.egress import Egress
from arriero.errors import RequestError
from arriero.identity import OAuth2ClientCredentials, TokenFile
from arriero.observe.audit import AuditLog
from arriero.observe.telemetry import Telemetry
from arriero.settings import Breaker, Cache, Limits, Pool, Retry, Timeouts, Tls

SECTIONS: Mapping[str, type] = {
    "timeouts": Timeouts,
    "retry": Retry,
    "limits": Limits,
    "breaker": Breaker,
    "tls": Tls,
    "pool": Pool,
    "egress": Egress,
    "cache": Cache,
    "audit": AuditLog,
    "telemetry": Telemetry,
}
"""Arguments of a client that are a class of settings."""

PLAIN: Mapping[str, Any] = {
    "host": str,
    "headers": Mapping[str, str],
    "proxy": str,
    "follow_redirects": bool,
    "max_line_bytes": int,
    "trust_env": bool,
    "cleartext_credentials": Literal["warn", "error", "allow"],
}
"""Arguments of a client that are one value, with their types."""

AUTH = ("token_env", "token_file", "user", "password_env", "password_file", "oauth2")
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key")

Table = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where settings were found, for errors and for relative paths."""

    file: str
    folder: str
    environ: Mapping[str, str] = dataclasses.field(repr=False)
    missing: dict[str, str] | None = None
    """Takes in by their paths secrets that are not where a file says; what needs one is not made
    then. None makes the first of them an error."""

    def lacks_within(self, path: str) -> bool:
        """Tell whether a secret of a table is missing."""
        return any(where.startswith(f"{path}.") for where in self.missing or ())

    def error(self, path: str, text: str) -> RequestError:
        """Make the error of a setting."""
        return RequestError(f"{self.file}: {path}: {text}")


def arguments_of(profile: Table, path: str, place: Place) -> dict[str, Any]:
    """Give the arguments of a client that a profile stands for.

    Raises:
        RequestError: a name is unknown, a value of the wrong type, a secret is written out, or
            is not where the profile says; see `Place.missing`.
    """
    made: dict[str, Any] = {}
    known = [*SECTIONS, *PLAIN, "auth"]
    for name, value in profile.items():
        where = f"{path}.{name}"
        if name not in known:
            raise place.error(where, f"there is no such setting{nearest(name, known)}")
        if name in PLAIN:
            made[name] = _plain(name, value, where, place)
            continue
        if not isinstance(value, Mapping):
            raise place.error(where, f"takes a table: write [{where}]")
        table = cast("Table", value)
        if name == "auth":
            made[name] = _auth(table, where, place)
        else:
            made[name] = settings_of(SECTIONS[name], table, where, place)
    return made


def _plain(name: str, value: object, where: str, place: Place) -> Any:
    made = _converted(value, PLAIN[name], where, place)
    if name in ("host", "proxy") and "@" in made:
        raise place.error(where, "holds a user and a password: write [auth] user, password_env")
    for header in made if name == "headers" else ():
        if header.lower() in _SECRET_HEADERS:
            raise place.error(f"{where}.{header}", "is a secret: write [auth] token_env instead")
    return made


def _converted(value: object, hint: Any, where: str, place: Place) -> Any:
    try:
        return converted(value, hint, place.folder)
    except Unfit as cause:
        raise place.error(where, str(cause)) from cause


def settings_of(kind: type, table: Table, path: str, place: Place) -> Any:
    """Make the settings of a section.

    Raises:
        RequestError: as `arguments_of`.
    """
    made = dict[str, Any]()
    fields = {one.name: one.hint for one in settings_in(kind)}
    secrets = {one.name for one in settings_in(kind) if one.is_secret}
    known = {name for name in fields if name not in secrets and is_settable(fields[name])}
    known |= {f"{name}_{source}" for name in secrets for source in ("env", "file")}
    for name, value in table.items():
        where = f"{path}.{name}"
        secret = name.rpartition("_")[0]
        if name in secrets:
            raise place.error(
                where, f"is a secret, which no file may hold: write {name}_env or {name}_file"
            )
        if name not in known:
            what = "cannot be set in a file" if name in fields else "there is no such setting"
            raise place.error(where, what + nearest(name, known))
        if secret in secrets and name not in fields:
            value = _secret(table, secret, path, place)
            made[secret] = value if str in parts_of(fields[secret]) else value.encode()
        elif value != "none" and dataclasses.is_dataclass(nested := nested_in(fields[name])):
            made[name] = _section(cast("type", nested), value, where, place)
        else:
            made[name] = _converted(value, fields[name], where, place)
    return None if place.lacks_within(path) else _built(kind, made, path, place)


def nested_in(hint: Any) -> Any:
    """Give the class of settings that a setting is made of; None if it is of none."""
    return next((part for part in parts_of(hint) if dataclasses.is_dataclass(part)), None)


def _section(kind: type, value: object, where: str, place: Place) -> Any:
    if not isinstance(value, Mapping):
        raise place.error(where, f"takes {shown(kind)}: write [{where}]")
    return settings_of(kind, cast("Table", value), where, place)


def _built(kind: type, arguments: dict[str, Any], path: str, place: Place) -> Any:
    missing = [name for name in _required(kind) if name not in arguments]
    if missing:
        raise place.error(path, f"needs {' and '.join(_as_written(kind, missing))}")
    try:
        return kind(**arguments)
    except RequestError as cause:
        raise place.error(path, str(cause)) from cause


def _required(kind: type) -> list[str]:
    parameters = inspect.signature(kind).parameters.values()
    return [one.name for one in parameters if one.default is inspect.Parameter.empty]


def _as_written(kind: type, names: Sequence[str]) -> list[str]:
    secrets = {one.name for one in settings_in(kind) if one.is_secret}
    return [f"{name}_env or {name}_file" if name in secrets else name for name in names]


def _secret(table: Table, name: str, path: str, place: Place) -> str:
    variable, file = table.get(f"{name}_env"), table.get(f"{name}_file")
    if (variable is None) == (file is None):
        raise place.error(path, f"takes one of {name}_env and {name}_file")
    if not isinstance(variable or file, str):
        raise place.error(path, f"{name}_env and {name}_file take a text")
    from_file = None if file is None else converted(file, _PATH, place.folder)
    try:
        return secret_from(variable, from_file, place.environ)
    except RequestError as cause:
        where = f"{path}.{name}_{'env' if from_file is None else 'file'}"
        if place.missing is None:
            raise place.error(where, str(cause)) from cause
        place.missing[where] = (
            f"environment variable {variable}" if from_file is None else str(cause)
        )
        return ""


_PATH = settings_in(TokenFile)[0].hint


def _auth(table: Table, path: str, place: Place) -> Any:
    origins = [name for name in table if "://" in name]
    if not origins:
        return _credential(table, path, place)
    made = dict[str, Any]()
    for name, value in table.items():
        if name not in origins:
            raise place.error(f"{path}.{name}", "stands beside origins: write it below one of them")
        try:
            origin = origin_named(name)
        except RequestError as cause:
            raise place.error(path, str(cause).removeprefix("auth: ")) from cause
        where = f'{path}."{origin}"'  # not the name, which may hold a user and a password
        if not isinstance(value, Mapping):
            raise place.error(where, f"takes a table: write [{where}] token_env, or the like")
        if origin in made:
            raise place.error(where, "stands there twice")
        made[origin] = _credential(cast("Table", value), where, place)
    return made


def _credential(table: Table, path: str, place: Place) -> Any:
    for name in table:
        if name in ("token", "password", "api_key", "secret"):
            kind = "password" if name == "password" else "token"
            raise place.error(
                f"{path}.{name}",
                f"is a secret, which no file may hold: write {kind}_env or {kind}_file",
            )
        if name not in AUTH:
            raise place.error(f"{path}.{name}", f"there is no such setting{nearest(name, AUTH)}")
    kinds = [name for name in ("token_env", "token_file", "user", "oauth2") if name in table]
    if len(kinds) != 1:
        raise place.error(path, "takes one of token_env, token_file, user and oauth2")
    if kinds == ["oauth2"]:
        return _section(OAuth2ClientCredentials, table["oauth2"], f"{path}.oauth2", place)
    if kinds == ["user"]:
        user = _converted(table["user"], str, f"{path}.user", place)
        return user, _secret(table, "password", path, place)
    if kinds == ["token_file"]:
        return TokenFile(_converted(table["token_file"], _PATH, f"{path}.token_file", place))
    return _secret(table, "token", path, place)
