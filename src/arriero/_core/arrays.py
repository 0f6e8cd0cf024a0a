"""Vectors into one array. NumPy is imported when the first is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arriero._core.api.embed import EncodedVectors
from arriero.errors import MissingExtra, ProtocolError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    from arriero.types.embed import EmbedResponse


def array_of(vectors: EncodedVectors | EmbedResponse, count: int) -> NDArray[float32]:
    """Give an array of shape (count, dimensions), owned by the caller.

    Raises:
        MissingExtra: NumPy is not installed.
        ProtocolError: there are not `count` vectors, or they differ in length.
    """
    try:
        import numpy as np
    except ImportError as cause:
        raise MissingExtra(
            "embed_array needs NumPy; install it with: pip install 'arriero[arrays]'"
        ) from cause
    found = vectors.data if isinstance(vectors, EncodedVectors) else vectors.embeddings
    if len(found) != count:
        raise ProtocolError(f"{len(found)} vectors for {count} texts")
    try:
        if not isinstance(vectors, EncodedVectors):
            return np.array(vectors.embeddings, dtype=np.float32)
        rows = [
            np.array(item.embedding, dtype="<f4").tobytes()
            if isinstance(item.embedding, list)
            else item.embedding
            for item in vectors.data
        ]
        if any(len(row) != len(rows[0]) for row in rows):
            raise ValueError("they differ in length")
        joined = bytearray().join(rows)  # no bytes, so that the caller may write to the array
        flat = np.frombuffer(joined, dtype="<f4").astype(np.float32, copy=False)
        return flat.reshape(count, -1)
    except ValueError as cause:
        raise ProtocolError(f"the vectors make no array: {cause}") from cause
