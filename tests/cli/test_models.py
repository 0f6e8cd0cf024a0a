"""`arriero models ...`."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from arriero import Client
from arriero.cli.models.group import models
from arriero.cli.session import Session, command

from .peer import Peer
from .terminal import Terminal

Run = Callable[..., tuple[int, str, str]]


def test_list_shows_a_table(server: str, run: Run) -> None:
    """Name, size, age and digest of each model."""
    code, out, err = run("models", "list", host=server)
    head, *rows = out.splitlines()
    assert (code, err, head.split()) == (0, "", ["NAME", "SIZE", "MODIFIED", "DIGEST"])
    assert [row.split()[0] for row in rows] == [
        "mini:latest",
        "mini-think:latest",
        "mini-embed:latest",
    ]
    assert "2.4 MB" in rows[0]
    assert " ago  " in rows[0]


def test_list_can_be_read_by_programs(server: str, run: Run) -> None:
    """JSON has what the server said; quiet has names; a beginning chooses."""
    _, out, _ = run("models", "list", "mini-e", "--json", host=server)
    with Client(server) as client:
        wanted = [one for one in client.list().models if one.model == "mini-embed:latest"]
    assert json.loads(out) == {"models": [one.model_dump(mode="json") for one in wanted]}
    assert run("models", "list", "mini-e", "-q", host=server)[1] == "mini-embed:latest\n"


def test_host_is_an_option_and_a_variable(server: str, run: Run) -> None:
    """`--host` wins over OLLAMA_HOST."""
    code, out, _ = run("models", "list", "-q", "--host", server, host="127.0.0.1:1")
    assert (code, len(out.splitlines())) == (0, 3)


def test_nobody_there_is_exit_code_3(run: Run) -> None:
    """The message says where it was tried, and what to start."""
    code, out, err = run("models", "list", host="127.0.0.1:9")
    assert (code, out) == (3, "")
    assert err == (
        "arriero: GET /api/tags (http://127.0.0.1:9): Connection refused: nothing listens there;"
        " start 'ollama serve' or 'arriero serve'\n"
    )


def test_a_model_is_made_shown_copied_and_deleted(server: str, run: Run, tmp_path: Path) -> None:
    """The whole life of a model, from the shell."""
    (tmp_path / "MIT").write_text("MIT License\n" * 12)
    code, out, err = run(
        *("models", "create", "lama", "--from", "mini", "--system", "You are a llama."),
        *(
            "-p",
            "temperature=0",
            "-p",
            "stop=a",
            "-p",
            "stop=b",
            "--license",
            str(tmp_path / "MIT"),
        ),
        host=server,
    )
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == "success"
    sheet = run("models", "show", "lama", host=server)[1]
    assert "context length  2048\n" in sheet
    assert "System\n  You are a llama.\n" in sheet
    assert "  (4 more lines)\n" in sheet
    assert run("models", "show", "lama", "--system", host=server)[1] == "You are a llama.\n"
    parts = json.loads(run("models", "show", "lama", "--json", "--parameters", host=server)[1])
    assert sorted(parts["parameters"].split("\n")) == [
        'stop                           "a"',
        'stop                           "b"',
        "temperature                    0",
    ]
    assert run("models", "copy", "lama", "alpaca", host=server) == (
        *(0, ""),
        "Copied lama to alpaca.\n",
    )
    assert run("models", "delete", "lama", "alpaca", "--json", host=server)[1].splitlines() == [
        '{"model": "lama", "status": "deleted"}',
        '{"model": "alpaca", "status": "deleted"}',
    ]
    assert run("models", "show", "lama", host=server)[0] == 4


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["show", "mini-embd"], "did you mean mini-embed?"),
        (["delete", "minni"], "did you mean mini?"),
        (["copy", "zebra", "x"], "'arriero models list' shows what there is"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_model_that_is_not_there_is_advised_upon(
    server: str, run: Run, words: list[str], advice: str
) -> None:
    """By a name that is nearly the same, or where to look."""
    code, _, err = run("models", *words, host=server)
    assert (code, advice in err, err.count("\n")) == (4, True, 1)
    assert advice in json.loads(run("models", *words, "--json", host=server)[2])["advice"]


def test_a_pull_says_what_its_registry_meant(peer: Peer, run: Run) -> None:
    """A model that no registry has, and a disk that is full, have numbers of their own."""
    manifest = {"status": "pulling manifest"}
    peer.lines = [manifest, {"error": "pull model manifest: file does not exist"}]
    code, _, err = run("models", "pull", "zebra", host=peer.url)
    assert (code, "the registry has no such model" in err) == (4, True)
    layer = {"status": "pulling ab", "digest": "sha256:ab", "total": 900, "completed": 100}
    peer.lines = [layer, {"error": "write /x: no space left on device"}]
    code, _, err = run("models", "pull", "m", host=peer.url)
    assert (code, "800" in err) == (8, True), err


def test_create_needs_one_source(run: Run) -> None:
    """Neither or both of --from and --file is wrong usage, and nothing is sent."""
    for words in ([], ["--from", "a", "--file", "b"]):
        code, _, err = run("models", "create", "x", *words)
        assert (code, err) == (
            2,
            "arriero: create takes --from MODEL or --file GGUF: one of them\n",
        )


def test_create_from_a_file_uploads_it(server: str, run: Run, tmp_path: Path) -> None:
    """A GGUF file of this machine becomes a model of the server."""
    mini = files("arriero.server") / "weights" / "mini-q8_0.gguf"
    code, _, err = run("models", "create", "mine", "--file", str(mini), host=server)
    assert code == 0, err
    assert run("models", "delete", "mine", "-q", host=server) == (0, "", "")


def test_pull_tells_its_steps(peer: Peer, run: Run) -> None:
    """Each model is named; JSON is what the server sent, line by line."""
    peer.lines = [{"status": "pulling manifest"}, {"status": "success"}]
    assert run("models", "pull", "a", "b", "--insecure", host=peer.url) == (
        0,
        "",
        f"Pulling a to {peer.url}\npulling manifest\nsuccess\n"
        f"Pulling b to {peer.url}\npulling manifest\nsuccess\n",
    )
    _, out, err = run("models", "pull", "a", "--json", host=peer.url)
    assert ([json.loads(line) for line in out.splitlines()], err) == (list(peer.lines), "")
    assert peer.heard[0] == ("/api/pull", {"model": "a", "insecure": True, "stream": True})


def test_a_pull_that_is_cut_is_no_success(peer: Peer, run: Run) -> None:
    """An answer without its last record is exit code 9."""
    peer.lines = [{"status": "pulling manifest"}]
    code, out, _ = run("models", "pull", "a", "-q", host=peer.url)
    assert (code, out) == (9, "")


def test_a_push_that_fails_is_told(peer: Peer, run: Run) -> None:
    """An error inside a 200 answer is an error of the command."""
    peer.lines = [{"status": "retrieving manifest"}, {"error": "you are not authorized"}]
    code, _, err = run("models", "push", "me/a", host=peer.url)
    assert code == 8
    assert err.splitlines()[-1] == "arriero: you are not authorized"


def test_a_group_takes_commands_from_elsewhere() -> None:
    """A command keeps being a function that takes a session."""
    import typer
    from typer.testing import CliRunner

    group = typer.Typer()
    seen: list[object] = []

    @command(group, "look")
    def look(session: Session, what: str, often: int = 2) -> None:
        """Look."""
        seen.append((session.host, session.timeout_s, session.out.as_json, what, often))

    done = CliRunner().invoke(group, ["x", "--host", "h", "--timeout", "3", "--json"])
    assert done.exit_code == 0, done.output
    look(Session("direct"), "y")
    assert seen == [("h", 3.0, True, "x", 2), ("direct", None, False, "y", 2)]
    assert models.registered_commands


@pytest.mark.parametrize(
    ("columns", "head"),
    [(80, "NAME SIZE MODIFIED DIGEST"), (50, "NAME SIZE MODIFIED"), (12, "NAME")],
)
def test_a_table_leaves_out_what_a_window_has_no_room_for(
    server: str, columns: int, head: str
) -> None:
    """Half a digest is no digest: whole columns go, from the right."""
    with Terminal(["models", "list"], {"OLLAMA_HOST": server}, columns=columns) as terminal:
        assert terminal.ended() == 0
        assert terminal.text.splitlines()[0].split() == head.split()
