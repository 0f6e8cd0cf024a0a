"""`models.toml`: read, checked, explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from arriero.errors import RequestError
from arriero.lifecycle import parse_wanted, read_wanted

DIGEST = "sha256:" + "ab" * 32
WHOLE = f"""
[defaults]
hosts = ["gpu1", "http://gpu2:11434"]
licences = ["MIT"]
keep_alive = "5m"

[models.support]
from = "base"
system = "You help."
parameters = {{ temperature = 0.2, stop = ["a", "b"] }}
adapters = ["lora.gguf"]
keep_alive = -1
preload = true
num_ctx = 8192
[[models.support.smoke]]
prompt = "Say yes"
expect = "(?i)yes"

[models.base]
digest = "{DIGEST[7:].upper()}"
source = "mirror.example/team/base:1"
licences = ["Apache-2.0"]
hosts = ["gpu1"]
"""


def test_everything_has_its_place() -> None:
    """Names have their tag, defaults are filled in, bases come first."""
    wanted = parse_wanted(WHOLE, "/srv")
    base, support = wanted.models.values()

    assert list(wanted.models) == ["base:latest", "support:latest"]
    assert (base.digest, base.pull_name) == (DIGEST, "mirror.example/team/base:1")
    assert (base.licences, base.hosts, base.keep_alive) == (("Apache-2.0",), ("gpu1",), "5m")
    assert (support.from_, support.licences, support.keep_alive) == ("base:latest", ("MIT",), -1)
    assert support.smoke[0].test().expect == "(?i)yes"
    assert wanted.hosts == ("gpu1", "http://gpu2:11434")
    assert wanted.path_of("lora.gguf") == Path("/srv/lora.gguf")


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("http://gpu1:11434", ["base:latest", "support:latest"]),
        ("http://gpu2:11434", ["support:latest"]),
        ("http://gpu3:11434", []),
    ],
)
def test_a_host_is_the_same_however_it_is_written(host: str, names: list[str]) -> None:
    """A name, a port and a URL are taken for what they mean."""
    assert [model.name for model in parse_wanted(WHOLE).on(host)] == names


def test_a_model_without_hosts_belongs_on_each() -> None:
    """One machine needs no list."""
    wanted = parse_wanted("[models.m]")
    assert [model.name for model in wanted.on("http://any:1")] == ["m:latest"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[models.m]\nsytem = 'x'", "models.'m': there is no key 'sytem'; did you mean 'system'"),
        ("[models.m]\nlicenses = []", "no key 'licenses'; did you mean 'license' or 'licences'"),
        ("[models.m]\npreload = 'yes'", "models.'m': preload: takes true or false, not a text"),
        ("[models.m]\nnum_ctx = '5'", "num_ctx: takes a whole number, not a text"),
        ("[models]\nm = 3", "models.'m': takes a table, not a whole number"),
        ("[[models.m.smoke]]\nexpect = 'x'", r"models.'m': smoke\[0\]: needs 'prompt'"),
        ("[defaults]\nhosts = 'x'\n[models]", "defaults.hosts: takes a list, not a text"),
        ("", "needs 'models'"),
        ("[models.'a b']", "'a b' is no model name"),
        ("[models.m]\nsystem = 'x'", "'system' needs 'from' or 'files'"),
        ("[models.m]\nfrom = 'b'\ndigest = 'x'", "has no 'digest'"),
        ("[models.m]\nfrom = 'b'\nfiles = ['x']", "'from' or 'files', not both"),
        ("[models.m]\ndigest = '12'", "64 hex digits"),
        ("[models.m]\n[models.'M:latest']\n[models.'m:latest']", "is there twice"),
        ("[models.a]\nfrom = 'b'\n[models.b]\nfrom = 'a'", "made from"),
        ("[models.m]\nkeep_alive = 'soon'", "no duration"),
        ("[models.m]\nnum_ctx = 0", "1 or more tokens"),
        ("[models.m]\nhosts = ['ftp://x']", "http or https"),
        ("[[models.m.smoke]]\nprompt = 'x'\nexpect = '('", "no regular expression"),
        ("[models.m\n", "line 1"),
        ("x = 1", "there is no key 'x'"),
    ],
)
def test_what_makes_no_sense_is_said(text: str, told: str) -> None:
    """With the place, and what to write instead."""
    with pytest.raises(RequestError, match=told):
        parse_wanted(text)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Missing, or no text."""
    path = tmp_path / "models.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=r"models\.toml cannot be read"):
        read_wanted(path)


def test_only_what_a_lock_depends_on_makes_it_stale() -> None:
    """How a model is used or tested says nothing about which one it is."""
    plain = parse_wanted("[models.m]").models["m:latest"]
    used = parse_wanted("[models.m]\npreload = true\nnum_ctx = 1\nlicences = ['MIT']")
    other = parse_wanted("[models.m]\nsource = 'n'")
    assert plain.fingerprint == used.models["m:latest"].fingerprint
    assert plain.fingerprint != other.models["m:latest"].fingerprint
