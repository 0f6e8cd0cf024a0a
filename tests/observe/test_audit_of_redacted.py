"""What the content policy took out of a request is not in the audit log either."""

from __future__ import annotations

from pathlib import Path

from arriero import AuditLog, Client, Content
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
