"""Arrays of known types in PostgreSQL's binary form, made in one go.

psycopg looks at every element to find out what an array is of. A batch is ten arrays whose types the statement says, so
we say them, too; for small batches the looking was a good part of what an append cost. The form is that of `array_recv`
in the server's `arrayfuncs.c`: dimensions, a flag for NULLs, the type of the elements, their number, the first index;
then each element behind its length.
"""

import struct
from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from psycopg import postgres
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

__all__ = ["Array", "Booleans", "Bytes", "Numbers", "Texts", "register_arrays"]

T = TypeVar("T")

_HEAD = struct.Struct(">iiIii")
_EMPTY = struct.Struct(">iiI")
_LENGTH = struct.Struct(">i")


class Array(Generic[T]):
    """Elements of one type, none of them NULL."""

    __slots__ = ("elements",)

    def __init__(self, elements: Sequence[T]) -> None:
        self.elements = elements


class Texts(Array[str]):
    """A `text[]`."""

    __slots__ = ()


class Numbers(Array[int]):
    """A `bigint[]`."""

    __slots__ = ()


class Bytes(Array[bytes]):
    """A `bytea[]`."""

    __slots__ = ()


class Booleans(Array[bool]):
    """A `boolean[]`."""

    __slots__ = ()


def _of(name: str) -> tuple[int, int]:
    """Return the numbers of a type's array and of the type."""
    info = postgres.types[name]
    return info.array_oid, info.oid


class _ArrayDumper(Dumper):
    """Dumps an array; the subclasses say of what."""

    format = Format.BINARY
    element_oid: int

    def dump(self, obj: Array[T]) -> Buffer:
        elements = obj.elements
        if not elements:
            return _EMPTY.pack(0, 0, self.element_oid)
        return _HEAD.pack(1, 0, self.element_oid, len(elements), 1) + self._body(elements)

    @abstractmethod
    def _body(self, elements: Sequence[T]) -> bytes:
        """Return the elements, each behind its length."""


class _TextsDumper(_ArrayDumper):
    oid, element_oid = _of("text")

    def _body(self, elements: Sequence[str]) -> bytes:  # type: ignore[override]
        return _joined([element.encode() for element in elements])


class _BytesDumper(_ArrayDumper):
    oid, element_oid = _of("bytea")

    def _body(self, elements: Sequence[bytes]) -> bytes:  # type: ignore[override]
        return _joined(elements)


class _NumbersDumper(_ArrayDumper):
    oid, element_oid = _of("int8")

    def _body(self, elements: Sequence[int]) -> bytes:  # type: ignore[override]
        return b"".join([b"\0\0\0\x08" + element.to_bytes(8, "big", signed=True) for element in elements])


class _BooleansDumper(_ArrayDumper):
    oid, element_oid = _of("bool")

    def _body(self, elements: Sequence[bool]) -> bytes:  # type: ignore[override]
        return b"".join([b"\0\0\0\x01\x01" if element else b"\0\0\0\x01\0" for element in elements])


def _joined(elements: Sequence[bytes]) -> bytes:
    parts: list[bytes] = []
    for element in elements:
        parts += (_LENGTH.pack(len(element)), element)
    return b"".join(parts)


def register_arrays(context: AdaptContext) -> None:
    """Let a connection take these arrays."""
    for kind, dumper in (
        (Texts, _TextsDumper),
        (Numbers, _NumbersDumper),
        (Bytes, _BytesDumper),
        (Booleans, _BooleansDumper),
    ):
        assert context.adapters is not None
        context.adapters.register_dumper(kind, dumper)
