"""`arriero embed`: texts in, vectors out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from arriero.cli.amounts import counted
from arriero.cli.inputs import is_piped, lines_of, text_of
from arriero.cli.names import ModelName
from arriero.cli.session import Session
from arriero.errors import ProtocolError, RequestError

if TYPE_CHECKING:
    from arriero import Client

_Source: TypeAlias = tuple[dict[str, str], str]
"""What names a text in the output, and the text."""

_BATCH = 64
"""Texts in one request: enough to keep a server busy, few enough to begin answering soon."""


def embed(
    session: Session,
    model: ModelName,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="A text; each gives a vector.")
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", metavar="FILE", help="A file as one text; repeatable."),
    ] = None,
    lines: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file with a text on each line.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-O",
            metavar="FILE.npy",
            help="Write one NumPy array of shape (texts, dimensions) instead of lines of JSON.",
        ),
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Length of each vector.")
    ] = None,
    batch: Annotated[int, typer.Option(metavar="N", min=1, help="Texts in one request.")] = _BATCH,
) -> None:
    """Give a vector for each text, in their order.

    Without TEXT, --file and --lines, each line piped in is a text. Each vector is a line of
    JSON with its index, its text (or file) and the vector, as soon as the server has it.
    """
    sources = _sources(texts, files, lines)
    if output is None:
        for record in _records(session.client, model, sources, dimensions, batch):
            session.out.line(record)
        return
    shape = _save(output, session.client, model, sources, dimensions, batch)
    if session.out.as_json:
        session.out.document({"file": str(output), "shape": shape})
    session.out.remark(
        f"Wrote {counted(shape[0], 'vector')} of {counted(shape[1], 'number')} to {output}."
    )


def _sources(
    texts: list[str] | None, files: list[Path] | None, lines: Path | None
) -> Iterator[_Source]:
    """Give what names each text in the output, and the text.

    Raises:
        RequestError: there is none, or a file cannot be read.
    """
    if texts or files or lines:
        return _given(texts or (), files or (), lines)
    if not is_piped():
        raise RequestError("embed: no text; write some, take --file or --lines, or pipe lines in")
    return (({"text": line}, line) for line in lines_of(sys.stdin.buffer, "stdin"))


def _given(texts: Iterable[str], files: Iterable[Path], lines: Path | None) -> Iterator[_Source]:
    for text in texts:
        yield {"text": text}, text
    for path in files:
        yield {"file": str(path)}, text_of(path)
    if lines is not None:
        try:
            with lines.open("rb") as opened:
                for line in lines_of(opened, str(lines)):
                    yield {"text": line}, line
        except OSError as cause:
            raise RequestError(f"{lines}: cannot be read: {cause.strerror or cause}") from cause


def _records(
    client: Client,
    model: str,
    sources: Iterable[_Source],
    dimensions: int | None,
    batch: int,
) -> Iterator[dict[str, Any]]:
    index = 0
    for some in _batches(sources, batch):
        answer = client.embed(model, [text for _, text in some], dimensions=dimensions)
        vectors = answer.embeddings
        if len(vectors) != len(some):
            raise ProtocolError(f"embed: {len(vectors)} vectors for {len(some)} texts")
        for (name, _), vector in zip(some, vectors, strict=True):
            yield {"index": index, **name, "embedding": vector}
            index += 1


def _batches(sources: Iterable[_Source], batch: int) -> Iterator[list[_Source]]:
    rest = iter(sources)
    while some := list(islice(rest, batch)):
        yield some


def _save(
    path: Path,
    client: Client,
    model: str,
    sources: Iterable[_Source],
    dimensions: int | None,
    batch: int,
) -> tuple[int, ...]:
    """Write all vectors as one array, give its shape; a failure leaves no file behind.

    Raises:
        MissingExtra: NumPy is not installed.
        RequestError: the file cannot be written, or there is no text.
    """
    found = [
        client.embed_array(model, [text for _, text in some], dimensions=dimensions)
        for some in _batches(sources, batch)
    ]
    if not found:
        raise RequestError("embed: no text, so no array")
    import numpy as np

    array = np.concatenate(found)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("xb") as file:
            np.save(file, array)
        partial.replace(path)
    except OSError as cause:
        raise RequestError(f"{path}: cannot be written: {cause.strerror or cause}") from cause
    finally:
        with suppress(OSError):
            partial.unlink()
    return array.shape
