"""What the content policy keeps from the server is not in the audit log either."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from arriero import (
    AsyncClient,
    AuditLog,
    Client,
    Content,
    ContentRefused,
    ContentRequest,
    Refuse,
)
from arriero.observe.verify import audit_records
from arriero.testing import ScriptedServer


def test_full_content_is_what_was_sent(tmp_path: Path) -> None:
    """Whole answers and streams alike."""
    path = tmp_path / "audit.jsonl"
    content = Content(before=lambda asked: asked.mapped(lambda text: text.replace("canary", "-")))
    with (
        ScriptedServer() as server,
        AuditLog(path, content="full") as log,
        Client(server.url, content=content, audit=log) as client,
    ):
        server.on().reply("yes")
        client.generate("m", "a canary sings")
        with client.generate("m", "a canary sings", stream=True) as stream:
            list(stream)
    written = path.read_text()
    assert written.count("a - sings") == 2
    assert "canary" not in written


def refuses(asked: ContentRequest) -> Refuse | None:
    """Refuse what holds the canary."""
    return Refuse("birds") if any("canary" in text for text in asked.texts) else None


def fails(asked: ContentRequest) -> Refuse | None:
    """Fail, as a service that judges may."""
    raise OSError("quotes the canary")


def renames(asked: ContentRequest) -> ContentRequest:
    """Redact, and change what may not be changed."""
    body = {**asked.mapped(lambda text: text.replace("canary", "-")).body, "model": "other"}
    return dataclasses.replace(asked, body=body)


@pytest.mark.parametrize("content", ["full", "hashed", "none"])
@pytest.mark.parametrize("before", [refuses, fails, renames])
def test_what_was_refused_is_not_written_out(tmp_path: Path, before: Any, content: Any) -> None:
    """It was never sent, and it was refused for what is in it: hash and reason are kept."""
    path = tmp_path / "audit.jsonl"
    with (
        AuditLog(path, content=content) as log,
        Client("http://127.0.0.1:1", content=Content(before=before), audit=log) as client,
    ):
        with pytest.raises(ContentRefused) as whole:
            client.generate("m", "a canary sings", options={"stop": ["canary"]})
        with pytest.raises(ContentRefused):
            client.generate("m", "a canary sings", stream=True).open()
    assert "canary" not in path.read_text()
    first, second = (one for one in audit_records(path) if one["kind"] == "call")
    assert first["error"]["reason"] == second["error"]["reason"] == whole.value.reason
    assert first["settings"] == second["settings"] == {}
    if content != "none":
        assert first["request"]["withheld"] == "not passed by the content policy, and not sent"
        assert set(first["request"]) == {"withheld", "hash", "bytes"}


def test_what_nobody_has_judged_yet_is_not_written_out(tmp_path: Path) -> None:
    """A caller who gives up while a function judges does not make its text harmless."""
    path = tmp_path / "audit.jsonl"

    async def gives_up(log: AuditLog) -> None:
        asked = asyncio.Event()

        async def before(request: ContentRequest) -> None:
            asked.set()
            await asyncio.Event().wait()

        content = Content(before=before)
        async with AsyncClient("http://127.0.0.1:1", content=content, audit=log) as client:
            call = asyncio.ensure_future(client.generate("m", "a canary sings"))
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with AuditLog(path, content="full") as log:
        asyncio.run(gives_up(log))
    (record,) = (one for one in audit_records(path) if one["kind"] == "call")
    assert record["outcome"] == "cancelled"
    assert "canary" not in path.read_text()
