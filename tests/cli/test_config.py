"""`arriero config show` and `check`."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arriero import Client
from arriero._config.effective import PLAIN_DEFAULTS
from arriero._config.sections import PLAIN

Run = Callable[..., tuple[int, str, str]]

GOOD = """
[default]
host = "https://LLM.internal"
headers = {x-team = "search", x-team-token = "s3cret"}

[default.auth."https://llm.internal"]
token_env = "TOKEN"

[default.auth."https://gpu.internal".oauth2]
token_url = "https://login.internal/token"
client_id = "me"
client_secret_env = "TOKEN"
parameters = {assertion = "s3cret"}

[default.timeouts]
idle_s = 20
total_s = 300

[default.limits]
concurrency = 8
requests_per_s = 5

[default.limits.shared]
url_env = "REDIS"

[default.tls]
ca = "certs/ca.pem"

[batch.timeouts]
total_s = "none"
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder, and nothing of the machine's own settings."""
    for name in [*os.environ]:
        if name.upper().startswith(("ARRIERO_", "OLLAMA_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TOKEN", "s3cret")
    monkeypatch.setenv("REDIS", "redis://:s3cret@cache.internal")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(run: Run, *words: str) -> dict[str, tuple[Any, str, str]]:
    """Give what `config show --json` says: value, source and place by name."""
    code, out, _ = run("config", "show", "--json", *words)
    assert code == 0
    listed = json.loads(out)["settings"]
    return {one["name"]: (one["value"], one["source"], one["where"]) for one in listed}


def test_each_setting_is_shown_with_where_it_comes_from(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file, a profile over it, the environment over both, else the default."""
    (folder / "arriero.toml").write_text(GOOD)
    monkeypatch.setenv("ARRIERO_LIMITS_CONCURRENCY", "2")
    seen = shown(run, "--profile", "batch")
    assert seen["host"] == ("https://llm.internal:443", "file", "[default]")
    assert seen["timeouts.connect_s"] == (5.0, "default", "")
    assert seen["timeouts.idle_s"] == (20, "file", "[default]")
    assert seen["timeouts.total_s"] == (None, "profile", "[batch]")
    assert seen["limits.concurrency"] == (2, "environment", "ARRIERO_LIMITS_CONCURRENCY")
    assert seen["limits.shared.url_env"] == ("REDIS", "file", "[default]")
    assert seen["limits.shared.on_failure"] == ("open", "default", "")
    assert seen["tls.ca"] == (str(folder / "certs/ca.pem"), "file", "[default]")
    assert seen["retry.attempts"] == (3, "default", "")
    assert seen["breaker"] == ("off", "default", "")
    assert seen['auth."https://llm.internal:443".token_env'] == ("TOKEN", "file", "[default]")


def test_what_the_client_takes_by_itself_is_shown_too(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that are not ours decide as well; credentials in them are left out."""
    (folder / "arriero.toml").write_text("[default]")
    monkeypatch.setenv("OLLAMA_HOST", "http://u:s3cret@models.example.com")
    monkeypatch.setenv("OLLAMA_API_KEY", "s3cret")
    monkeypatch.setenv("HTTP_PROXY", "http://u:s3cret@proxy:3128")
    seen = shown(run)
    assert seen["host"] == ("http://models.example.com:80", "environment", "OLLAMA_HOST")
    assert seen["proxy"] == ("http://proxy:3128", "environment", "proxy variables")
    key = seen['auth."https://ollama.com:443".token_env']
    assert key == ("OLLAMA_API_KEY", "environment", "OLLAMA_API_KEY")
    assert "s3cret" not in str(seen)


def test_no_secret_is_shown(run: Run, folder: Path) -> None:
    """Not even one that the file should not hold."""
    (folder / "arriero.toml").write_text(GOOD)
    for words in (["--json"], [], ["--quiet"]):
        code, out, err = run("config", "show", *words)
        assert code == 0
        assert "s3cret" not in out + err
        assert "x-team-token" in out


def test_people_get_a_table_and_with_quiet_what_was_set(run: Run, folder: Path) -> None:
    """Names, values as a file has them, and the place."""
    (folder / "arriero.toml").write_text(GOOD)
    out = run("config", "show", "-q", "--profile", "batch")[1]
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["SETTING", "VALUE", "FROM"]
    assert ["timeouts.total_s", "none", "[batch]"] in lines
    assert not [line for line in lines if line[-1] == "default"]


def test_the_defaults_shown_are_those_of_a_client() -> None:
    """They are written twice, as the file's reader knows no client."""
    arguments = inspect.signature(Client.__init__).parameters
    assert {*PLAIN_DEFAULTS} == {*PLAIN} - {"host"}
    for name in ("proxy", "follow_redirects", "cleartext_credentials"):
        assert arguments[name].default == PLAIN_DEFAULTS[name]
    assert Client()._target.max_line_bytes == PLAIN_DEFAULTS["max_line_bytes"]


@pytest.mark.parametrize(
    ("table", "marked", "missing"),
    [
        ("[default.auth]\ntoken_env = 'GONE'", "auth.token_env", "environment variable GONE"),
        ("[default.auth]\nuser = 'me'\npassword_file = 'gone'", "auth.password_file",
         "'{folder}/gone' cannot be read: No such file or directory"),
        ("[default.auth.'http://a'.oauth2]\ntoken_url = 'https://b/t'\nclient_id = 'c'\n"
         "client_secret_env = 'GONE'", 'auth."http://a:80".oauth2.client_secret_env',
         "environment variable GONE"),
        ("[default.limits]\nconcurrency = 2\nshared = {url_env = 'GONE'}", "limits.shared.url_env",
         "environment variable GONE"),
        ("[default.audit]\npath = 'a.jsonl'\nkey_env = 'GONE'", "audit.key_env",
         "environment variable GONE"),
    ],
)  # fmt: skip
def test_a_secret_that_is_not_there_is_marked_and_all_else_shown(
    run: Run, folder: Path, table: str, marked: str, missing: str
) -> None:
    """Whoever looks for what is wrong must see the rest; the exit code says that not all is."""
    (folder / "arriero.toml").write_text(f"{table}\n[default.timeouts]\nidle_s = 20")
    missing = missing.format(folder=folder)
    code, out, err = run("config", "show", "--json")
    assert (code, err) == (1, "")
    listed = {one["name"]: one for one in json.loads(out)["settings"]}
    assert {name for name, one in listed.items() if one["missing"]} == {marked}
    assert listed[marked]["missing"] == missing
    assert listed["timeouts.idle_s"]["value"] == 20
    code, out, err = run("config", "show")
    assert code == 1
    assert f"<missing: {missing}>" in " ".join(out.split())
    assert "1 of its secrets missing" in err
    assert run("config", "check")[0] == 1


def test_what_else_is_wrong_beside_a_missing_secret_is_still_an_error(
    run: Run, folder: Path
) -> None:
    """A value of the wrong type cannot be shown as it will be."""
    (folder / "arriero.toml").write_text(
        "[default.auth]\ntoken_env = 'GONE'\n[default.tls]\npassword_env = 'GONE'\nca = 1"
    )
    code, out, err = run("config", "show")
    assert (code, out) == (2, "")
    assert "default.tls.ca: takes" in err


BAD = """
[default]
hots = 1

[default.timeouts]
total = 1
idle_s = "x"

[default.retry]
attempts = 0

[default.auth]
token_env = "GONE"

[batch.limits]
concurency = 3

[batch.retry]
first_wait_s = 1

[batch.tls]
key = "x"
"""


def test_check_finds_all_there_is(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, with its place; what is wrong with the default is not said of each profile."""
    (folder / "arriero.toml").write_text(BAD)
    monkeypatch.setenv("ARRIERO_TIMEOUTS_CONNECT_S", "soon")
    code, out, err = run("config", "check")
    assert code == 1
    assert out.splitlines() == [
        "default.hots: there is no such setting; did you mean 'host'?",
        "default.timeouts.total: there is no such setting; did you mean 'total_s'?",
        'default.timeouts.idle_s: takes a number or "none", not a text',
        'ARRIERO_TIMEOUTS_CONNECT_S: takes a number or "none", not a text',
        "default.retry: Retry.attempts takes a whole number from 1 on, not 0",
        "default.auth.token_env: the environment variable GONE is not set",
        "batch.limits.concurency: there is no such setting; did you mean 'concurrency'?",
        "batch.tls: Tls.key needs Tls.cert: the certificate the key belongs to",
    ]
    assert "profiles default, batch: 8 problems" in err
    document = json.loads(run("config", "check", "--json")[1])
    assert (document["ok"], document["profiles"]) == (False, ["default", "batch"])
    assert document["problems"][-1]["profile"] == "batch"
    assert document["problems"][-1]["where"] == "batch.tls"


def test_check_looks_for_files_of_tokens(run: Run, folder: Path) -> None:
    """A client waits for them until its first call; who checks wants to know before."""
    (folder / "arriero.toml").write_text(
        "[default.auth]\ntoken_file = 'gone'\n"
        "[batch.auth.'https://a']\ntoken_file = '/'\n"
        "[whole.auth]\ntoken_file = 'token'\n"
    )
    (folder / "token").write_text("secret")
    code, out, err = run("config", "check")
    assert code == 1
    assert out.splitlines() == [
        f"default.auth.token_file: '{folder / 'gone'}' cannot be read: No such file or directory",
        "batch.auth.\"https://a:443\".token_file: '/' cannot be read: Is a directory",
    ]
    assert "2 problems" in err
    code, _, err = run("config", "check", "--profile", "default")
    assert (code, ": 1 problem\n" in err) == (1, True)


def test_check_is_content_with_what_a_client_takes(run: Run, folder: Path) -> None:
    """Exit code 0; with a profile only that is looked at."""
    (folder / "arriero.toml").write_text(GOOD)
    code, out, err = run("config", "check")
    assert (code, out) == (0, "")
    assert "all is well" in err
    (folder / "arriero.toml").write_text(BAD.replace("hots = 1", ""))
    assert run("config", "check", "--profile", "batch")[0] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default.egress]\n[default.cache]\nredis_env = 'REDIS'",
         "default: egress: the client would keep answers or rates in the Redis at cache.internal"),
        ("[default]\nhost = 'http://:no'", "default: host 'http://:no': the port must be"),
        ("[default", "no TOML: "),
        ("[timeouts]", "timeouts: belongs to a profile: write [default.timeouts]"),
    ],
)  # fmt: skip
def test_check_finds_what_only_shows_together(run: Run, folder: Path, text: str, said: str) -> None:
    """What the client itself would say, and what is wrong with the file as a whole."""
    (folder / "arriero.toml").write_text(text)
    code, out, _ = run("config", "check")
    assert code == 1
    assert out.startswith(said)
    assert "s3cret" not in out


def test_a_variable_that_is_nearly_a_setting_is_found(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, not for each profile."""
    (folder / "arriero.toml").write_text(GOOD)
    monkeypatch.setenv("ARRIERO_TIMEOUTS_CONNECT", "3")
    code, out, _ = run("config", "check")
    assert code == 1
    assert out == (
        "ARRIERO_TIMEOUTS_CONNECT: there is no such setting;"
        " did you mean 'ARRIERO_TIMEOUTS_CONNECT_S'?\n"
    )


@pytest.mark.parametrize("words", [["show"], ["check"]])
def test_no_file_is_wrong_usage(run: Run, words: list[str]) -> None:
    """And is told with what would name one."""
    code, _, err = run("config", *words)
    assert code == 2
    assert "name one by from_config(path), --file or ARRIERO_CONFIG" in err
    assert run("config", *words, "--file", "gone.toml")[0] != 0
