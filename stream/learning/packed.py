"""Arrays of numbers as text inside a state that is plain JSON: the bytes of doubles, compressed, in Base64."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np
import numpy.typing as npt

from stream.learning.errors import LearningError

__all__ = ["pack", "unpack"]

_MAX_BYTES = 256 << 20


def pack(array: npt.NDArray[np.float64]) -> dict[str, object]:
    """The array (any shape) as `{"shape": […], "doubles": text}`."""
    data = np.ascontiguousarray(array, dtype="<f8").tobytes()
    return {"shape": list(array.shape), "doubles": base64.b64encode(zlib.compress(data, 6)).decode()}


def unpack(packed: object, place: str) -> npt.NDArray[np.float64]:
    """The array of `pack`, a copy that may be written to. Raises LearningError at `place` if it is none."""
    try:
        shape, text = packed["shape"], packed["doubles"]  # type: ignore[index]  # of the wrong kind: TypeError below
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(text, validate=True), _MAX_BYTES)
        return np.frombuffer(data, dtype="<f8").astype(np.float64).reshape(tuple(int(each) for each in shape))
    except (TypeError, KeyError, ValueError, binascii.Error, zlib.error) as error:
        raise LearningError(f"is no packed array ({error})", place=place) from None
