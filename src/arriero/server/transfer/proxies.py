"""Which proxy of the environment a request goes through.

Source: Go 1.26, net/http ProxyFromEnvironment.
"""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

from ..listening import is_loopback


def proxy_for(url: str) -> str | None:
    """Give the proxy for a URL, or None; this machine is never reached through one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
