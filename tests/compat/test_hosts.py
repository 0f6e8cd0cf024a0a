"""How a host is read: the official client's table, and where we differ on purpose."""

from __future__ import annotations

from types import ModuleType

import pytest

from arriero import AsyncClient, Client, RequestError

IP6 = "[0001:002:003:0004::1]"

SAME = {
    None: "http://127.0.0.1:11434",
    "": "http://127.0.0.1:11434",
    "1.2.3.4": "http://1.2.3.4:11434",
    ":56789": "http://127.0.0.1:56789",
    "1.2.3.4:56789": "http://1.2.3.4:56789",
    "http://1.2.3.4": "http://1.2.3.4:80",
    "https://1.2.3.4": "https://1.2.3.4:443",
    "https://1.2.3.4:56789": "https://1.2.3.4:56789",
    "example.com": "http://example.com:11434",
    "example.com:56789": "http://example.com:56789",
    "http://example.com": "http://example.com:80",
    "https://example.com": "https://example.com:443",
    "https://example.com:56789": "https://example.com:56789",
    "example.com/": "http://example.com:11434",
    "example.com:56789/": "http://example.com:56789",
    "example.com/path": "http://example.com:11434/path",
    "example.com:56789/path": "http://example.com:56789/path",
    "https://example.com:56789/path": "https://example.com:56789/path",
    "example.com:56789/path/": "http://example.com:56789/path",
    IP6: f"http://{IP6}:11434",
    f"{IP6}:56789": f"http://{IP6}:56789",
    f"http://{IP6}": f"http://{IP6}:80",
    f"https://{IP6}": f"https://{IP6}:443",
    f"https://{IP6}:56789": f"https://{IP6}:56789",
    f"{IP6}/": f"http://{IP6}:11434",
    f"{IP6}:56789/": f"http://{IP6}:56789",
    f"{IP6}/path": f"http://{IP6}:11434/path",
    f"{IP6}:56789/path": f"http://{IP6}:56789/path",
    f"https://{IP6}:56789/path": f"https://{IP6}:56789/path",
    f"{IP6}:56789/path/": f"http://{IP6}:56789/path",
}
"""The thirty forms the official client documents."""

DIFFERENT = {
    "0.0.0.0": ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
    "0.0.0.0:8080": ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
    "http://[::]:8080": ("http://[::]:8080", "http://[::1]:8080"),
    "ollama.com": ("http://ollama.com:11434", "https://ollama.com:443"),
    " 1.2.3.4 ": ("http:// 1.2.3.4 :11434", "http://1.2.3.4:11434"),
    '"1.2.3.4"': ('http://"1.2.3.4":11434', "http://1.2.3.4:11434"),
    "1.2.3.4:0": ("http://1.2.3.4:11434", "http://1.2.3.4:0"),
    "::1": (ValueError, "http://[::1]:11434"),
    "HTTP://1.2.3.4": ("HTTP://1.2.3.4:11434", "http://1.2.3.4:80"),
    "host:notaport": (ValueError, RequestError),
    "host:99999": (ValueError, RequestError),
    "ftp://host": ("ftp://host:11434", RequestError),
}
"""What the official client makes of it, and what we do: as Ollama's own `OLLAMA_HOST`."""


@pytest.mark.parametrize(("host", "url"), SAME.items())
def test_hosts_are_read_as_the_official_client_does(
    official: dict[str, ModuleType], shim: ModuleType, host: str | None, url: str
) -> None:
    """The same URL from the official function, from the shim's and from both clients."""
    import sys

    assert official["ollama._client"]._parse_host(host) == url
    assert sys.modules["ollama._client"]._parse_host(host) == url
    assert Client(host).host == AsyncClient(host).host == url


@pytest.mark.parametrize(("host", "results"), DIFFERENT.items())
def test_where_hosts_are_read_differently(
    official: dict[str, ModuleType], host: str, results: tuple[object, object]
) -> None:
    """Each deliberate difference, with what the official client gives."""
    for read, result in (
        (official["ollama._client"]._parse_host, results[0]),
        (lambda value: Client(value).host, results[1]),
    ):
        if isinstance(result, type):
            with pytest.raises(result):
                read(host)
        else:
            assert read(host) == result


def test_credentials_and_query_of_the_host_are_used(
    official: dict[str, ModuleType], scripted: object
) -> None:
    """The official client drops both; here they are sent, and not shown."""
    url = "http://me:secret@1.2.3.4:5/x?key=1"
    assert official["ollama._client"]._parse_host(url) == "http://1.2.3.4:5/x"
    client = Client(url, cleartext_credentials="allow")
    assert client.host == "http://1.2.3.4:5/x"
    assert "secret" not in repr(client)
    assert client._target.base.join("/api/tags") == "http://1.2.3.4:5/x/api/tags?key=1"
    assert (client._target.authorization or "").startswith("Basic ")


def test_a_bad_port_is_an_error_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """`RequestError` is a ValueError and names the port, in the environment's value too."""
    monkeypatch.setenv("OLLAMA_HOST", "host:port")
    with pytest.raises(ValueError, match="'port'"):
        Client()
