"""Which proxy the environment names."""

from __future__ import annotations

import pytest

from arriero._core.proxy import proxy_for
from arriero.errors import RequestError

HTTP = {"http_proxy": "http://p:1", "https_proxy": "http://p:2"}


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("http://a.com", {}, None),
        ("http://a.com", HTTP, "http://p:1"),
        ("https://a.com", HTTP, "http://p:2"),
        ("https://a.com", {"HTTPS_PROXY": "p:2"}, "http://p:2"),
        ("http://a.com", {"all_proxy": "https://p:3"}, "https://p:3"),
        ("http://a.com", {"ALL_PROXY": "p"}, "http://p"),
        ("http://a.com", {"http_proxy": "", "all_proxy": "p"}, "http://p"),
        ("http://a.com", {"HTTP_PROXY": "p"}, "http://p"),
        ("http://a.com", {"HTTP_PROXY": "p", "REQUEST_METHOD": "GET"}, None),
        ("http://a.com", {"http_proxy": "p", "REQUEST_METHOD": "GET"}, "http://p"),
        ("http://localhost", HTTP, None),
        ("http://10.1.1.1", HTTP, None),
        ("http://gpu1", HTTP, None),
        ("http://a.com", {**HTTP, "no_proxy": "*"}, None),
        ("http://a.com", {**HTTP, "no_proxy": "b.com, a.com"}, None),
        ("http://x.a.com", {**HTTP, "NO_PROXY": ".a.com"}, None),
        ("http://xa.com", {**HTTP, "no_proxy": "a.com"}, "http://p:1"),
        ("http://a.com:81", {**HTTP, "no_proxy": "a.com:81"}, None),
        ("http://a.com:82", {**HTTP, "no_proxy": "a.com:81"}, "http://p:1"),
        ("http://[2001:4860::1]:5", {**HTTP, "no_proxy": "[2001:4860::1]"}, None),
        ("http://[2001:4860::1]:5", {**HTTP, "no_proxy": "2001:4860::1"}, None),
        ("http://a.com", {**HTTP, "no_proxy": ",, :81"}, "http://p:1"),
    ],
)
def test_the_environment_names_a_proxy(
    url: str, environ: dict[str, str], proxy: str | None
) -> None:
    """The variables of curl and Python, with near hosts and exceptions left out."""
    assert proxy_for(url, environ) == proxy


def test_socks_is_refused_with_a_way_out() -> None:
    """A proxy we cannot speak to is an error that names what to do, and no password."""
    with pytest.raises(RequestError, match="http_client=") as caught:
        proxy_for("http://a.com", {"all_proxy": "socks5://user:secret@p:1"})

    assert "secret" not in str(caught.value)
