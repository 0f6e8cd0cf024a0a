"""What `verify` looks at on each kind of host, and what it says it did not look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from arriero.lifecycle import Journal
from arriero.lifecycle.machine import blobs_of
from arriero.lifecycle.verifying import Depth
from tests.lifecycle.fleet import Herd
from tests.lifecycle.ollama import Built, Ollama, built, full

HERE, ELSEWHERE = "http://127.0.0.1:11434", "http://gpu1:11434"
TOML = "[models.m]\n[[models.m.smoke]]\nprompt = 'Say yes'\nexpect = 'yes'\n"
MIT = "SPDX-License-Identifier: MIT"
ONE = built("weights", license=MIT, system="Be kind.", params='{"temperature": 0.5}')


def herd(journal: Journal, host: str = ELSEWHERE, *, newest: bool = True) -> Herd:
    """A host with m, which the registry has as well."""
    server = Ollama({full("m"): ONE}, registry={full("m"): ONE}, answers={"weights": "yes"})
    one = Herd(server, TOML, journal, host)
    one.relock(newest=newest)
    return one


def stored(folder: Path, model: Built) -> Path:
    """Write a model's files as a server keeps them; give their folder."""
    blobs = folder / "blobs"
    blobs.mkdir(parents=True)
    for digest, data in model.files.items():
        (blobs / digest.replace(":", "-")).write_bytes(data)
    return blobs


def test_of_another_machine_everything_but_the_content_is_checked(journal: Journal) -> None:
    """Its files are there, as it says; what is in them nobody here can read."""
    (finding,) = herd(journal).verify(Depth(content=True))
    assert finding.ok
    assert finding.checked == (
        "digest",
        "5 files present",
        "show",
        *("parameters", "system", "template"),
        "licence",
        "1 smoke test",
    )
    assert finding.unchecked == ("content of the files: they are on another machine",)


def test_what_was_left_out_is_said(journal: Journal) -> None:
    """The question, and the content, unless they are asked for."""
    one = herd(journal, HERE)
    (finding,) = one.verify(Depth(smoke=False, blobs=Path("blobs")))
    assert finding.ok
    assert finding.unchecked == (
        "content of the files: not asked for (--content)",
        "answers: 1 smoke test, not asked",
    )
    (finding,) = one.verify(Depth(content=True))
    assert "content of the files: not found here" in finding.unchecked[0]


def test_on_this_machine_files_are_read(journal: Journal, tmp_path: Path) -> None:
    """Each is hashed; one bit that has changed is found, one that is not ours to read is said."""
    one, blobs = herd(journal, HERE), stored(tmp_path, ONE)
    (finding,) = one.verify(Depth(content=True, blobs=blobs))
    assert finding.ok
    assert "5 files hashed" in finding.checked
    assert finding.unchecked == ()

    first, second = (blobs / digest.replace(":", "-") for digest in ONE.digests[:2])
    second.unlink()
    (finding,) = one.verify(Depth(content=True, blobs=blobs))
    assert "4 files hashed" in finding.checked
    assert finding.unchecked == (f"content of the files: {second} cannot be read",)

    first.write_bytes(first.read_bytes()[:-1] + b"X")
    (finding,) = one.verify(Depth(content=True, blobs=blobs))
    assert finding.check == "content"
    assert finding.reason.startswith(f"model layer {first} is damaged: its digest is sha256:")
    assert finding.checked == ("digest", "5 files present")


@pytest.mark.parametrize(
    ("shown", "check", "reason"),
    [
        ({"parameters": "temperature 0.9"}, "parameters", "parameters.temperature 0.9 -> 0.5"),
        ({"system": "Be rude."}, "system", "it is another one than was locked"),
        ({"template": "{{ .System }}"}, "template", "it is another one than was locked"),
        ({"license": "Apache License\nVersion 2.0"}, "licence", "Apache-2.0, locked is MIT"),
        ({"license": ""}, "licence", "NONE, locked is MIT"),
    ],
    ids=str,
)
def test_what_a_server_shows_has_to_be_as_it_is_locked(
    journal: Journal, shown: dict[str, str], check: str, reason: str
) -> None:
    """A file whose content was changed under its name shows itself in what it says."""
    one = herd(journal)
    one.server.shown = shown
    (finding,) = one.verify()
    assert (finding.check, finding.reason) == (check, reason)


def test_a_template_of_another_server_version_is_not_compared(journal: Journal) -> None:
    """It may be that of the weights, and which that is depends on the version."""
    one = herd(journal)
    one.server._version = lambda body: (200, [{"version": "9.9"}])  # type: ignore[method-assign]
    one.server.shown = {"template": "{{ .System }}"}
    (finding,) = one.verify()
    assert finding.ok
    assert "template: it was locked with server 0.33.0, this is 9.9" in finding.unchecked


def test_a_lock_that_knows_little_is_no_yes(journal: Journal) -> None:
    """Made from a host alone it names the weights and no other file."""
    (finding,) = herd(journal, newest=False).verify()
    assert finding.ok
    assert "1 file present" in finding.checked
    assert "files besides the weights: the lock has no digests of them" in finding.unchecked


def test_a_made_model_is_checked_by_its_recipe(journal: Journal) -> None:
    """It has no digest that could be known before."""
    one = Herd(
        Ollama({full("m"): ONE}, registry={full("m"): ONE}),
        "[models.m]\n[models.mine]\nfrom = 'm'\nsystem = 'x'\n",
        journal,
    )
    one.relock(newest=False)
    one.apply()
    finding = one.verify()[1]
    assert finding.ok
    assert finding.checked == ("recipe", "1 file present", "show", "licence")
    assert "answers: no smoke test" in finding.unchecked


def test_the_folder_is_that_of_this_machine(tmp_path: Path) -> None:
    """Named by OLLAMA_MODELS; of another machine there is none."""
    blobs = stored(tmp_path, ONE)
    environ = {"OLLAMA_MODELS": str(tmp_path)}
    assert blobs_of(HERE, environ) == blobs
    assert blobs_of(ELSEWHERE, environ) is None
    assert blobs_of(HERE, {"OLLAMA_MODELS": str(tmp_path / "none")}) is None
