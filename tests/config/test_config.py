"""One file, one client: what it may say, and what is said of what it may not."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arriero import AsyncClient, Client, Egress, OAuth2ClientCredentials, TokenFile
from arriero._config.reading import configured
from arriero._config.sections import PLAIN, SECTIONS
from arriero._config.values import converted, is_settable, settings_in
from arriero.errors import RequestError
from arriero.settings import Cache, Limits, Retry, Timeouts, Tls

WHOLE = """
[default]
host = "https://llm.internal"
headers = {x-team = "search"}
follow_redirects = false

[default.timeouts]
first_token_s = 60
total_s = "none"

[default.retry]
attempts = 5

[default.limits]
concurrency = 8
per_model = {big = 1}

[default.egress]
hosts = ["https://llm.internal", "10.0.0.0/8"]

[default.cache]
path = "cache/answers.db"

[default.tls]
ca = "certs/ca.pem"
minimum_version = "1.3"

[batch.timeouts]
total_s = 3600

[batch.limits]
concurrency = 2
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the machine is read: neither its variables nor its folders."""
    for name in [*os.environ]:
        if name.upper().startswith(("ARRIERO_", "OLLAMA_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def read(
    text: str, profile: str | None = None, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Give the arguments that a file with this text stands for."""
    Path("arriero.toml").write_text(text, "utf-8")
    return configured(None, profile, environ or {})


def refused(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Give what is said of a file, without its path."""
    with pytest.raises(RequestError) as caught:
        read(text, environ=environ)
    assert "\n" not in str(caught.value)
    return str(caught.value).partition("arriero.toml: ")[2] or str(caught.value)


def test_sections_are_the_arguments_of_a_client(tmp_path: Path) -> None:
    """Each becomes its class of settings; paths are relative to the file."""
    assert read(WHOLE) == {
        "host": "https://llm.internal",
        "headers": {"x-team": "search"},
        "follow_redirects": False,
        "timeouts": Timeouts(first_token_s=60, total_s=None),
        "retry": Retry(attempts=5),
        "limits": Limits(concurrency=8, per_model={"big": 1}),
        "egress": Egress(hosts=("https://llm.internal", "10.0.0.0/8")),
        "cache": Cache(path=str(tmp_path / "cache/answers.db")),
        "tls": Tls(ca=str(tmp_path / "certs/ca.pem"), minimum_version="1.3"),
    }


def test_a_profile_changes_single_fields_of_the_default() -> None:
    """What it does not name stays."""
    made = read(WHOLE, "batch")
    assert made["timeouts"] == Timeouts(first_token_s=60, total_s=3600)
    assert made["limits"] == Limits(concurrency=2, per_model={"big": 1})
    assert made["retry"] == Retry(attempts=5)


def test_each_setting_is_an_argument_of_both_clients() -> None:
    """A section that no client takes would fail only where it is used."""
    for cls in (Client, AsyncClient):
        known = {*inspect.signature(cls.__init__).parameters, "trust_env"}
        assert {*SECTIONS, *PLAIN} <= known


NOT_FOR_FILES = {
    "retry.rule",
    "tls.context",
    "tls.password",
    "cache.redis",
    "audit.key",
    "telemetry.tracer_provider",
    "telemetry.meter_provider",
}


def test_each_field_can_be_set_or_is_known_not_to_be() -> None:
    """Functions and objects cannot; secrets are named by where they are."""
    left = set()
    for section, kind in SECTIONS.items():
        for one in settings_in(kind):
            if one.is_secret or not is_settable(one.hint):
                left.add(f"{section}.{one.name}")
    assert left == NOT_FOR_FILES


@given(st.data())
def test_a_default_written_out_changes_nothing(data: st.DataObject) -> None:
    """Every field that can be set takes its own default, as TOML would hold it."""
    section = data.draw(st.sampled_from(sorted(SECTIONS)))
    hints = {one.name: one.hint for one in settings_in(SECTIONS[section])}
    for name, argument in inspect.signature(SECTIONS[section]).parameters.items():
        value = argument.default
        if f"{section}.{name}" not in NOT_FOR_FILES and value is not argument.empty:
            told = "none" if value is None else list(value) if isinstance(value, tuple) else value
            assert converted(told, hints[name], "/") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default]\nhots = 1", "default.hots: there is no such setting; did you mean 'host'?"),
        ("[default.timeout]",
         "default.timeout: there is no such setting; did you mean 'timeouts'?"),
        ("[default.timeouts]\ntotal = 1",
         "default.timeouts.total: there is no such setting; did you mean 'total_s'?"),
        ("[default.timeouts]\ntotal_s = '5 min'",
         'default.timeouts.total_s: takes a number or "none", not a text'),
        ("[default.timeouts]\ntotal_s = true",
         'default.timeouts.total_s: takes a number or "none", not true'),
        ("[default.timeouts]\ntotal_s = -1",
         "default.timeouts: Timeouts.total_s takes seconds above 0, or None for no limit, not -1"),
        ("[default.retry]\nattempts = 2.5",
         "default.retry.attempts: takes a whole number, not 2.5"),
        ("[default.retry]\nrule = 'x'", "default.retry.rule: cannot be set in a file"),
        ("[default.limits]\nshared = 'x'", "default.limits.shared: takes a table: write ["),
        ("[default.limits]\nper_model = {a = 'x'}",
         "default.limits.per_model: takes a whole number, not a text"),
        ("[default.tls]\nminimum_version = 1.2",
         'default.tls.minimum_version: takes "1.2" or "1.3", not 1.2'),
        ("[default.egress]\nhosts = 'x'", "default.egress.hosts: takes a list, not a text"),
        ("[default.egress]\nhosts = ['*']", "default.egress: Egress.hosts: '*': an asterisk"),
        ("[default]\nretry = 3", "default.retry: takes a table: write [default.retry]"),
        ("[timeouts]", "timeouts: belongs to a profile: write [default.timeouts]"),
        ("default = 3", "default: a profile is a table: write [default]"),
        ("[default", "no TOML: "),
        ("[default.auth]\ntoken_env = 'A'\nuser = 'u'",
         "default.auth: takes one of token_env, token_file, user and oauth2"),
        ("[default.auth]\ntoken_evn = 'A'",
         "default.auth.token_evn: there is no such setting; did you mean 'token_env'?"),
        ("[default.auth]\ntoken_env = 'A'",
         "default.auth.token_env: the environment variable A is not set"),
        ("[default.auth]\nuser = 'u'\npassword_file = 'gone'", "default.auth.password_file: '"),
        ("[default.auth]\nuser = 'u'",
         "default.auth: takes one of password_env and password_file"),
        ("[default.auth.oauth2]\nclient_id = 'a'",
         "default.auth.oauth2: needs token_url and client_secret_env or client_secret_file"),
        ("[default.auth]\noauth2 = 1", "default.auth.oauth2: takes a table: write"),
        ("[default.auth]\ntoken_env = 'A'\n'https://a' = {token_env = 'A'}",
         "default.auth.token_env: stands beside origins: write it below one of them"),
        ("[default.auth.'https://a/x']\ntoken_env = 'A'",
         "default.auth: 'https://a:443' is enough of a key"),
        ("[default.auth.'ftp://a']\ntoken_env = 'A'",
         "default.auth: a mapping has origins as keys"),
        ("[default.auth]\n'https://a' = 'A'", "default.auth.\"https://a:443\": takes a table"),
        ("[default.auth.'https://a']\ntoken_evn = 'A'",
         "default.auth.\"https://a:443\".token_evn: there is no such setting;"
         " did you mean 'token_env'"),
        ("[default.auth.'https://a']\ntoken_file = 'a'\n[default.auth.'https://A:443']",
         "default.auth.\"https://a:443\": stands there twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    """The table path, what is wrong, and what would be right."""
    assert refused(text).startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "[default.auth]\ntoken = 's3cret'",
        "[default.auth]\nuser = 'u'\npassword = 's3cret'",
        "[default.auth.oauth2]\nclient_secret = 's3cret'",
        "[default.auth.'https://a']\ntoken = 's3cret'",
        "[default.auth]\n'https://a' = 's3cret'",
        "[default.tls]\npassword = 's3cret'",
        "[default.cache]\nredis = 'redis://:s3cret@host'",
        "[default]\nheaders = {Authorization = 's3cret'}",
        "[default]\nhost = 'http://u:s3cret@host'",
        "[default]\nproxy = 'http://u:s3cret@host'",
        "[default.tls]\nverify = 's3cret'",
    ],
)
def test_no_secret_is_taken_from_a_file_nor_shown(text: str) -> None:
    """Files are committed, copied and backed up."""
    said = refused(text)
    assert "s3cret" not in said
    if "verify" not in text:
        assert "_env" in said


def test_an_origin_with_a_password_is_not_shown() -> None:
    """It is a key of a table, and a secret all the same."""
    said = refused("[default.auth.'https://u:s3cret@a']\ntoken_env = 'A'")
    assert "s3cret" not in said
    assert "has no path, query or user" in said


def test_secrets_are_named_by_where_they_are(tmp_path: Path) -> None:
    """In a variable or a file; a token in a file is read again when it changes."""
    environ = {"A": "s3cret"}
    (tmp_path / "word").write_text("s3cret\n")
    assert read("[default.auth]\ntoken_env = 'A'", environ=environ)["auth"] == "s3cret"
    assert read("[default.auth]\ntoken_file = 'word'")["auth"] == TokenFile(str(tmp_path / "word"))
    basic = "[default.auth]\nuser = 'u'\npassword_file = 'word'"
    assert read(basic)["auth"] == ("u", "s3cret")
    oauth = (
        "[default.auth.oauth2]\ntoken_url = 'https://x/t'\nclient_id = 'i'\n"
        "client_secret_env = 'A'\n[default.auth.oauth2.timeouts]\ntotal_s = 3"
    )
    assert read(oauth, environ=environ)["auth"] == OAuth2ClientCredentials(
        "https://x/t", "i", "s3cret", timeouts=Timeouts(total_s=3)
    )
    cache = read("[default.cache]\nredis_env = 'R'", environ={"R": "redis://:s3cret@h"})["cache"]
    assert cache.redis == "redis://:s3cret@h"


def test_each_origin_may_have_credentials_of_its_own(tmp_path: Path) -> None:
    """As in code: a table for each, with any of the kinds."""
    text = """
[default]
host = "https://llm.internal"
[default.auth."https://llm.internal"]
token_env = "A"
[default.auth."https://gpu.internal:8443"]
user = "u"
password_env = "B"
[default.auth."https://ollama.com"]
token_file = "key"
"""
    made = read(text, environ={"A": "one", "B": "two"})["auth"]
    assert made == {
        "https://llm.internal:443": "one",
        "https://gpu.internal:8443": ("u", "two"),
        "https://ollama.com:443": TokenFile(str(tmp_path / "key")),
    }
    target = Client("https://llm.internal", auth=made)._target
    assert target.authorization == "Bearer one"
    assert set(target.elsewhere) == {"https://gpu.internal:8443"}


def test_an_audit_log_is_a_section_too(tmp_path: Path) -> None:
    """Its key is a secret, its path relative to the file."""
    text = "[default.audit]\npath = 'calls.jsonl'\nfsync = 'always'\nkey_env = 'K'"
    audit = read(text, environ={"K": "s3cret" * 4})["audit"]
    assert audit.path == tmp_path / "calls.jsonl"
    assert audit._arguments["fsync"] == "always"
    assert audit._arguments["key"] == b"s3cret" * 4
    assert "s3cret" not in refused("[default.audit]\npath = 'x'\nkey = 's3cret'")
    assert refused("[default.audit]\nfsync = 'always'").startswith("default.audit: ")
    assert read("[default.telemetry]\ngaps = true")["telemetry"].sees_records


def test_a_profile_brings_its_own_auth_whole() -> None:
    """Who asks is one thing, not a mixture of two."""
    text = "[default.auth]\ntoken_env = 'A'\n[other.auth]\nuser = 'u'\npassword_env = 'B'"
    assert read(text, "other", {"B": "word"})["auth"] == ("u", "word")


def test_the_environment_is_put_over_the_file() -> None:
    """Each field has a variable; lists have commas, tables equals signs."""
    made = read(
        WHOLE,
        environ={
            "ARRIERO_HOST": "http://other",
            "ARRIERO_TIMEOUTS_TOTAL_S": "30",
            "ARRIERO_TIMEOUTS_IDLE_S": "none",
            "ARRIERO_FOLLOW_REDIRECTS": "true",
            "ARRIERO_EGRESS_HOSTS": "other, 10.0.0.0/8",
            "ARRIERO_LIMITS_PER_MODEL": "a=2,b=3",
            "ARRIERO_RETRY_ATTEMPTS": "2",
            "ARRIERO_AUTH_TOKEN_ENV": "A",
            "ARRIERO_PORT": "tcp://10.0.0.1:80",  # a neighbour's, such as an orchestrator's
            "A": "s3cret",
        },
    )
    assert made["host"] == "http://other"
    assert made["timeouts"] == Timeouts(first_token_s=60, total_s=30, idle_s=None)
    assert made["follow_redirects"] is True
    assert made["egress"] == Egress(hosts=("other", "10.0.0.0/8"))
    assert made["limits"] == Limits(concurrency=8, per_model={"a": 2, "b": 3})
    assert made["retry"] == Retry(attempts=2)
    assert made["auth"] == "s3cret"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ARRIERO_TIMEOUTS_TOTAL", "3", "did you mean 'ARRIERO_TIMEOUTS_TOTAL_S'?"),
        ("ARRIERO_TIMEOUT_TOTAL_S", "3", "did you mean 'ARRIERO_TIMEOUTS_TOTAL_S'?"),
        ("ARRIERO_TIMEOUTS_TOTAL_S", "5min", 'takes a number or "none", not a text'),
        ("ARRIERO_RETRY_ATTEMPTS", "0", "with the environment over it: default.retry: "),
    ],
)
def test_a_slip_in_the_environment_is_not_passed_over(variable: str, value: str, said: str) -> None:
    """A limit one believes to have set is worse than none."""
    assert said in refused("", {variable: value})


def test_the_nearest_file_upward_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`arriero.toml` before `pyproject.toml`, and that only with our table."""
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    with pytest.raises(RequestError, match=r"no arriero\.toml and no \[tool\.arriero\]"):
        configured(None, None, {})
    (tmp_path / "arriero.toml").write_text("[default]\nhost = 'top'")
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'")
    assert configured(None, None, {})["host"] == "top"
    (tmp_path / "a/pyproject.toml").write_text("[tool.arriero.default]\nhost = 'project'")
    assert configured(None, None, {})["host"] == "project"
    (tmp_path / "a/arriero.toml").write_text("[default]\nhost = 'own'")
    assert configured(None, None, {})["host"] == "own"
    named = {"ARRIERO_CONFIG": str(tmp_path / "arriero.toml")}
    assert configured(None, None, named)["host"] == "top"
    assert configured("../pyproject.toml", None, named)["host"] == "project"
    with pytest.raises(RequestError, match=r"gone\.toml: cannot be read: No such file"):
        configured("gone.toml", None, {})


def test_a_profile_must_exist() -> None:
    """The nearest is named; `ARRIERO_PROFILE` chooses where the code does not."""
    with pytest.raises(RequestError, match=r"no profile 'bacth'; did you mean 'batch'\?"):
        read(WHOLE, "bacth")
    with pytest.raises(RequestError, match=r"no profile 'nightly'; there is default, batch"):
        read(WHOLE, "nightly")
    assert read(WHOLE, environ={"ARRIERO_PROFILE": "batch"})["limits"].concurrency == 2
    assert read(WHOLE, "default", {"ARRIERO_PROFILE": "batch"})["limits"].concurrency == 8


@pytest.mark.parametrize("cls", [Client, AsyncClient])
def test_both_clients_are_made_of_it(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the code gives wins over the file."""
    Path("arriero.toml").write_text(
        "[default]\nhost = 'http://file:1'\n[default.timeouts]\nidle_s = 3"
    )
    client = cls.from_config()
    assert (client.host, client.timeouts.idle_s) == ("http://file:1", 3)
    client = cls.from_config(host="http://code:1", timeouts=Timeouts(idle_s=4))
    assert (client.host, client.timeouts.idle_s) == ("http://code:1", 4)
    monkeypatch.setenv("ARRIERO_HOST", "http://environ:1")
    assert cls.from_config("arriero.toml", profile="default").host == "http://environ:1"
