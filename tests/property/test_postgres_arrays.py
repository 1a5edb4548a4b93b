"""The arrays that a batch is sent as are what psycopg itself reads, and what it would have sent."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from psycopg import postgres
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import Format
from psycopg.types.numeric import Int8

from amends.saga.log.postgres_arrays import Array, Booleans, Bytes, Numbers, Texts, register_arrays

texts = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), max_size=20)
numbers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)


def dumped(array: Array[Any]) -> tuple[int, bytes]:
    transformer = Transformer()
    register_arrays(transformer)
    dumper = transformer.get_dumper(array, PyFormat.BINARY)
    data = dumper.dump(array)
    assert data is not None
    return dumper.oid, bytes(data)


def own(elements: Sequence[Any]) -> bytes:
    """What psycopg makes of a list."""
    found = list(elements)
    data = Transformer().get_dumper(found, PyFormat.BINARY).dump(found)
    assert data is not None
    return bytes(data)


def hold(array: Array[Any], name: str, as_psycopg_takes_it: Sequence[Any]) -> None:
    oid, data = dumped(array)
    assert oid == postgres.types[name].array_oid
    assert Transformer().get_loader(oid, Format.BINARY).load(data) == list(array.elements)
    if array.elements:  # It does not know what an empty list is of.
        assert data == own(as_psycopg_takes_it)


@given(texts, numbers, st.lists(st.binary(max_size=20), max_size=20), st.lists(st.booleans(), max_size=20))
def test_arrays_are_what_psycopg_reads_and_would_send(
    words: list[str], counts: list[int], blobs: list[bytes], truths: list[bool]
) -> None:
    """To the byte, whatever the elements are; empty ones, too."""
    hold(Texts(words), "text", words)
    hold(Numbers(counts), "int8", [Int8(count) for count in counts])
    hold(Bytes(blobs), "bytea", blobs)
    hold(Booleans(truths), "bool", truths)
