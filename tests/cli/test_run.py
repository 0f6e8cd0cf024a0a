"""`arriero run`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from arriero import Client
from arriero.cli.run import run as run_command
from arriero.cli.session import Session
from arriero.testing import ScriptedServer

from .peer import Peer

Run = Callable[..., tuple[int, str, str]]
ARRIERO = (
    "An arriero is a person who leads pack animals over mountain paths."
    " A good arriero keeps every animal safe and every load in balance.\n"
)
CANADA = "Tell me about Canada. Respond in JSON."


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """Give a file with a schema."""
    path = tmp_path / "schema.json"
    names = ("name", "capital")
    properties = {name: {"type": "string"} for name in names}
    path.write_text(
        json.dumps({"type": "object", "properties": properties, "required": list(names)})
    )
    return path


def test_an_answer_is_text_and_a_line_end(server: str, run: Run) -> None:
    """Nothing else is on stdout; words need no quotes."""
    words = ["What", "is", "an", "arriero?"]
    assert run("run", "mini", *words, "-o", "temperature=0", host=server) == (0, ARRIERO, "")


def test_what_is_piped_in_goes_below_the_prompt(run: Run) -> None:
    """`arriero run m 'Summarise this' < file`."""
    with ScriptedServer() as scripted:
        scripted.on().reply("short")
        run("run", "m", "Summarise this:", input="a\nb\n", host=scripted.url)
        run("run", "m", input="only this", host=scripted.url)
        asked = [request.json["messages"] for request in scripted.requests]
    assert asked == [
        [{"role": "user", "content": "Summarise this:\n\na\nb\n"}],
        [{"role": "user", "content": "only this"}],
    ]


def test_options_reach_the_server(run: Run, tmp_path: Path) -> None:
    """Each option is sent as the API has it."""
    (tmp_path / "a.png").write_bytes(b"pixels")
    with ScriptedServer() as scripted:
        scripted.on().reply("yes")
        code, _, err = run(
            *("run", "m", "hi", "--system", "Be brief.", "--think", "--effort", "low"),
            *("-o", "temperature=0", "-o", "stop=x", "--keep-alive", "-1"),
            *("--image", str(tmp_path / "a.png")),
            host=scripted.url,
        )
        assert (code, err) == (0, "")
        body = scripted.requests[-1].json
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi", "images": ["cGl4ZWxz"]},
    ]
    assert (body["think"], body["keep_alive"]) == ("low", -1)
    assert body["options"] == {"temperature": 0, "stop": ["x"]}


def test_reasoning_goes_to_stderr(run: Run) -> None:
    """A pipe gets the answer alone; quiet drops the reasoning."""
    with ScriptedServer() as scripted:
        scripted.on().reply("42", thinking="Six by seven.")
        assert run("run", "m", "6*7", "--think", host=scripted.url) == (
            *(0, "42\n"),
            "Six by seven.\n\n",
        )
        assert run("run", "m", "6*7", "--think", "-q", host=scripted.url) == (0, "42\n", "")
        assert run("run", "m", "6*7", "--no-think", "-q", host=scripted.url)[0] == 0
        assert scripted.requests[-1].json["think"] is False


def test_json_is_one_document(server: str, run: Run) -> None:
    """Everything the server said, as one answer."""
    code, out, _ = run("run", "mini", "hello", "--json", "-o", "temperature=0", host=server)
    answer = json.loads(out)
    assert (code, answer["done"], answer["message"]["role"]) == (0, True, "assistant")
    assert answer["message"]["content"].startswith("Hello!")


def test_an_answer_follows_a_schema(server: str, run: Run, schema: Path) -> None:
    """What is printed can be read by programs."""
    words = ["run", "mini", CANADA, "--schema", str(schema), "-o", "temperature=0"]
    assert run(*words, host=server) == (0, '{"name": "Canada", "capital": "Ottawa"}\n', "")


def test_half_an_answer_does_not_pass_as_json(server: str, run: Run, schema: Path) -> None:
    """An answer cut off by a limit is exit code 9, though the stream was whole."""
    words = ["run", "mini", CANADA, "--schema", str(schema), "-o", "num_predict=5"]
    code, _, err = run(*words, "-o", "temperature=0", host=server)
    remark, error = err.splitlines()
    assert code == 9
    assert remark == "The answer was cut off: it reached num_predict or the context."
    assert error.startswith("arriero: the answer does not fit its format: not JSON: ")


@pytest.mark.parametrize(
    ("text", "told"), [("{", "not JSON"), ("[]", "a JSON Schema is an object")]
)
def test_a_file_that_is_no_schema_is_refused(
    run: Run, tmp_path: Path, text: str, told: str
) -> None:
    """Before anything is sent; the message names the file."""
    path = tmp_path / "schema.json"
    path.write_text(text)
    code, out, err = run("run", "m", "hi", "--schema", str(path))
    assert (code, out) == (2, "")
    assert err.startswith(f"arriero: {path}: {told}")


def test_a_model_without_chat_completes(run: Run) -> None:
    """Base models have no template; the prompt is then completed."""
    with ScriptedServer({"base": ["completion"]}) as scripted:
        scripted.on().reply("and so on")
        assert run("run", "base", "Once", host=scripted.url)[:2] == (0, "and so on\n")


def test_nothing_to_answer_is_wrong_usage(run: Run) -> None:
    """A hint says what to write."""
    code, _, err = run("run", "mini", input="")
    assert (code, err) == (
        2,
        "arriero: run: nothing to answer; write a PROMPT, pipe one in, or take"
        " 'arriero chat MODEL'\n",
    )


def test_a_deadline_is_exit_code_6(peer: Peer, run: Run) -> None:
    """What arrived in time was printed; the error says which budget ran out."""
    peer.lines = [{"message": {"role": "assistant", "content": "wait"}, "done": False}]
    peer.hangs = True
    code, out, err = run("run", "m", "hi", "--timeout", "1.5", host=peer.url)
    assert (code, out) == (6, "wait")
    assert "total_s=1.5 ran out" in err


def test_a_command_is_a_function(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the shell can do, tests and programs can call."""
    monkeypatch.setattr(sys, "stdin", None)
    with Session(server) as session:
        run_command(session, "mini", ["hello"], option=["temperature=0"])
        assert isinstance(session.client, Client)
    assert capsys.readouterr().out.startswith("Hello!")
