"""Names and passwords for registries: given by host, or in a file as Docker keeps them.

Source: docker/cli v27, cli/config/configfile and types/authconfig.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import urlsplit

from .. import gojson
from .challenge import Credentials


def credentials_by_host(given: Mapping[str, tuple[str, str]]) -> dict[str, Credentials]:
    """Turn names and passwords by host into credentials.

    Raises:
        ValueError: a host is none, or a name could not be told from its password.
    """
    found: dict[str, Credentials] = {}
    for host, (username, password) in given.items():
        if "/" in host or not host:
            raise ValueError(f"{host!r} is no host; write it as in model names: host or host:port")
        if not username or ":" in username:
            raise ValueError(f"{host}: the user name is empty or has a colon")
        found[host.lower()] = Credentials(username, password)
    return found


def credentials_in(data: bytes) -> dict[str, Credentials]:
    """Read the credentials in a file of Docker's form; those kept elsewhere are left out.

    Raises:
        ValueError: it has another form.
    """
    try:
        raw = gojson.decode(data)
    except gojson.JsonError as error:
        raise ValueError(str(error)) from error
    hosts = raw.get("auths", {}) if gojson.is_object(raw) else None
    if not gojson.is_object(hosts):
        raise ValueError('there is no object "auths"')
    found: dict[str, tuple[str, str]] = {}
    for key, entry in hosts.items():
        pair = _pair(entry)
        if pair is not None:
            found[_host(key)] = pair
    return credentials_by_host(found)


def _pair(entry: object) -> tuple[str, str] | None:
    if not gojson.is_object(entry):
        return None
    username, password = entry.get("username"), entry.get("password")
    if isinstance(username, str) and isinstance(password, str) and username:
        return username, password
    packed = entry.get("auth")
    if not isinstance(packed, str) or not packed:
        # It is in a helper program of Docker's.
        return None
    try:
        text = base64.b64decode(packed, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("an entry is not in Base64") from error
    username, _, password = text.partition(":")
    return username, password.rstrip("\0")


def _host(key: str) -> str:
    """Docker's keys may be URLs."""
    return urlsplit(key).netloc if "://" in key else key.partition("/")[0]
