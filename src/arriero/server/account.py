"""Routes that need ollama.com, which this server never calls.

Source: Ollama v0.33.0-rc2, server/routes.go, with `OLLAMA_NO_CLOUD` set.
"""

from __future__ import annotations

from .exchange import Exchange, Refused
from .inference import House


async def me(house: House, exchange: Exchange) -> None:
    """Refuse to name the signed-in account: there is none."""
    raise Refused(503, "account unavailable")


async def sign_out(house: House, exchange: Exchange) -> None:
    """Refuse to sign out: nobody is signed in."""
    raise Refused(500, "there was an error signing out")


async def web_search(house: House, exchange: Exchange) -> None:
    """Refuse to search the web."""
    raise Refused(403, "ollama cloud is disabled: web search is unavailable")


async def web_fetch(house: House, exchange: Exchange) -> None:
    """Refuse to fetch a page."""
    raise Refused(403, "ollama cloud is disabled: web fetch is unavailable")


async def recommendations(house: House, exchange: Exchange) -> None:
    """Recommend nothing: the models one could pull are none of ours."""
    await exchange.reply({"recommendations": []})
