"""`arriero embed`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from arriero import Client

from .peer import Peer

Run = Callable[..., tuple[int, str, str]]


def test_lines_piped_in_become_lines_of_json(server: str, run: Run) -> None:
    """In order, over several requests; empty lines are none."""
    code, out, err = run("embed", "mini-embed", "--batch", "2", input="a\n\nb\r\nc", host=server)
    records = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [(one["index"], one["text"]) for one in records] == [(0, "a"), (1, "b"), (2, "c")]
    with Client(server) as client:
        wanted = client.embed("mini-embed", ["a", "b", "c"]).embeddings
    np.testing.assert_allclose([one["embedding"] for one in records], wanted, atol=1e-5)


def test_words_files_and_lines_are_texts(server: str, run: Run, tmp_path: Path) -> None:
    """A file is one text, --lines has many."""
    whole, lines = tmp_path / "whole.txt", tmp_path / "lines.txt"
    whole.write_text("one\ntext")
    lines.write_text("x\ny\n")
    _, out, _ = run(
        *("embed", "mini-embed", "word", "--file", str(whole), "--lines", str(lines)),
        *("--dimensions", "3"),
        host=server,
    )
    records = [json.loads(line) for line in out.splitlines()]
    assert [one.get("text", one.get("file")) for one in records] == ["word", str(whole), "x", "y"]
    assert {len(one["embedding"]) for one in records} == {3}


def test_an_array_is_written_whole(server: str, run: Run, tmp_path: Path) -> None:
    """Shape (texts, dimensions), 32-bit floats, and no file besides."""
    target = tmp_path / "x.npy"
    code, out, err = run(
        *("embed", "mini-embed", "-O", str(target), "--batch", "2"), input="a\nb\nc", host=server
    )
    assert (code, out, err) == (0, "", f"Wrote 3 vectors of 192 numbers to {target}.\n")
    array = np.load(target)
    assert (array.shape, array.dtype) == ((3, 192), np.float32)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("words", "input", "code", "told"),
    [
        ([], "", 2, "no text, so no array"),
        (["a", "--file", "/no/such"], None, 2, "/no/such: cannot be read: No such file"),
        (["--lines", "/no/such"], None, 2, "/no/such: cannot be read: No such file"),
        (["a", "--dimensions", "0"], None, 2, "--dimensions"),
    ],
)
def test_a_failure_leaves_no_file(
    server: str, run: Run, tmp_path: Path, words: list[str], input: str | None, code: int, told: str
) -> None:
    """Nothing half-written stays, and an array that was there stays as it was."""
    target = tmp_path / "x.npy"
    target.write_text("before")
    done, _, err = run("embed", "mini-embed", *words, "-O", str(target), input=input, host=server)
    assert done == code
    assert told in err
    assert (target.read_text(), list(tmp_path.iterdir())) == ("before", [target])


def test_a_folder_that_is_not_there_is_told(server: str, run: Run, tmp_path: Path) -> None:
    """The message names the file."""
    target = tmp_path / "no" / "x.npy"
    code, _, err = run("embed", "mini-embed", "a", "-O", str(target), host=server)
    assert (code, err) == (2, f"arriero: {target}: cannot be written: No such file or directory\n")


def test_too_few_vectors_are_an_error(peer: Peer, run: Run) -> None:
    """A vector never stands beside a text it is not of."""
    peer.lines = [{"embeddings": [[1.0]]}]
    code, out, err = run("embed", "m", "a", "b", host=peer.url)
    assert (code, out, err) == (9, "", "arriero: embed: 1 vectors for 2 texts\n")


def test_bytes_that_are_no_text_are_refused(run: Run, tmp_path: Path) -> None:
    """The message names file and line."""
    path = tmp_path / "x"
    path.write_bytes(b"ok\n\xff\n")
    code, _, err = run("embed", "m", "--lines", str(path), "--batch", "9")
    assert code == 2
    assert err.startswith(f"arriero: {path}, line 2: not UTF-8: ")
