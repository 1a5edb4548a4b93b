"""Values and events, there and back: exactly the same, or refused."""

import json
import math
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from amends import InvalidValue, ValueTooLarge
from amends.actions.values import ValueType
from amends.saga import events as e
from amends.saga.access import ACCESS_TYPES
from amends.saga.codec import EventCodec
from amends.saga.failures import describe, redact
from amends.saga.ids import idempotency_key, undo_idempotency_key
from tests.reporting import counted

_TEXTS = st.text(st.characters(codec=None), max_size=20)
_PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _TEXTS)
_ODD = st.one_of(
    _PLAIN,
    st.binary(max_size=5),
    st.decimals(),
    st.datetimes(),
    st.tuples(_PLAIN, _PLAIN),
    st.frozensets(st.integers(), max_size=3),
    st.complex_numbers(),
)
ANYTHING = st.recursive(
    _ODD, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(_TEXTS, st.integers()), inner))
)


class Node(BaseModel):
    """A model with a bit of everything."""

    text: str
    number: int
    ratio: float
    amount: Decimal
    at: datetime
    raw: bytes
    pairs: list[tuple[int, str]]
    by_number: dict[int, "Node | None"]
    free: Any


NODE: ValueType[Node] = ValueType(Node, "value")
FREE: ValueType[Any] = ValueType(Any, "value")


def nodes() -> st.SearchStrategy[Node]:
    def build(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
        return st.builds(
            Node,
            text=_TEXTS.filter(_is_utf8),
            number=st.integers(),
            ratio=st.floats(),
            amount=st.decimals(allow_nan=False, allow_infinity=False),
            at=st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(fold=0)),
            raw=st.binary(max_size=5),
            pairs=st.lists(st.tuples(st.integers(), _TEXTS.filter(_is_utf8)), max_size=2),
            by_number=st.dictionaries(st.integers(), inner, max_size=2),
            free=_PLAIN,
        )

    return build(st.one_of(st.none(), build(st.none())))


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def exactly(value: Any) -> str:
    """Return a text that is equal only for equal values of equal types; -0.0 is not 0.0, and UTC is UTC."""
    return repr(value).replace("TzInfo(0)", "datetime.timezone.utc")


def hold_round_trip(kind: ValueType[Any], value: Any) -> None:
    """Encode and decode, or be refused with a field."""
    counted["property examples"] += 1
    text, refusal = _encoded(kind, value)
    if refusal is not None:
        assert refusal.field.startswith("value")
        assert refusal.problem
        return
    json.loads(text, parse_constant=_no_constants)
    text.encode()
    assert exactly(kind.decode(text)) == exactly(value)


def _encoded(kind: ValueType[Any], value: Any) -> tuple[str, InvalidValue | None]:
    try:
        return kind.encode(value), None
    except InvalidValue as refusal:
        return "", refusal


def _no_constants(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@given(value=ANYTHING)
def test_anything_comes_back_exactly_or_is_refused(value: Any) -> None:
    """Under `Any`, where JSON alone decides what comes back."""
    hold_round_trip(FREE, value)


@given(value=nodes())
def test_a_model_comes_back_exactly_or_is_refused(value: Node) -> None:
    """With a type, its dates, decimals, tuples and int keys come back as they were."""
    hold_round_trip(NODE, value)


@given(value=nodes())
def test_a_model_is_only_refused_for_a_reason(value: Node) -> None:
    """What JSON can hold is not refused."""
    counted["property examples"] += 1
    reasons = [value.ratio, value.free, *(n.ratio for n in value.by_number.values() if n)]
    reasons += [n.free for n in value.by_number.values() if n]
    raws = [value.raw, *(n.raw for n in value.by_number.values() if n)]
    odd = any(isinstance(r, float) and not math.isfinite(r) for r in reasons)
    odd = odd or any(isinstance(r, str) and not _is_utf8(r) for r in reasons)
    odd = odd or any(raw.decode(errors="replace").encode() != raw for raw in raws)
    assert (_encoded(NODE, value)[1] is not None) is odd


_WHEN = st.datetimes(timezones=st.just(UTC))
_STEP = st.lists(st.integers(1, 99), min_size=1, max_size=6).map(lambda parts: ".".join(map(str, parts)))
_SAFE = _TEXTS.filter(_is_utf8)
_ERRORS = st.builds(e.ErrorInfo, type=_SAFE, message=_SAFE)


def events() -> st.SearchStrategy[e.Event]:
    """Draw an event of any kind, with any content that its fields allow."""
    common: dict[str, Any] = {"occurred_at": _WHEN}
    parts: dict[str, st.SearchStrategy[Any]] = {
        "step": _STEP,
        "error": _ERRORS,
        "retry_at": st.none() | _WHEN,
        "input": st.none() | _SAFE,
        "unresolved": st.lists(_STEP, max_size=3).map(tuple),
        "retries": st.lists(_STEP, max_size=3).map(tuple),
        "remaining": st.lists(
            st.builds(e.Remaining, step=_STEP, action=_SAFE, why=st.sampled_from(e.RemainingWhy)), max_size=3
        ).map(tuple),
        "tags": st.dictionaries(_SAFE, _SAFE, max_size=3),
        "deadline": st.none() | _WHEN,
        "due_at": _WHEN,
        "trace": st.none() | _SAFE,
    }
    built = []
    for kind in (*e.EVENT_TYPES, *ACCESS_TYPES):
        given_parts = {name: parts[name] for name in kind.model_fields if name in parts}
        if kind is e.RunStarted:
            given_parts["input"] = _SAFE
        if kind is e.RunFailing:
            given_parts["step"] = st.none() | _STEP
        texts = {name: _SAFE for name, info in kind.model_fields.items() if info.annotation is str}
        built.append(st.builds(kind, **(texts | given_parts | common)))
    return st.one_of(built)


@given(event=events())
def test_an_event_comes_back_exactly(event: e.Event) -> None:
    """As one JSON document under its own topic."""
    counted["property examples"] += 1
    codec = EventCodec()
    record = codec.encode(event)
    assert record.topic == event.TOPIC
    assert json.loads(record.state)
    assert codec.decode(record) == event


@given(event=events(), limit=st.integers(64, 2_000))
def test_an_event_within_the_limit_is_taken(event: e.Event, limit: int) -> None:
    """Whatever exceeds the limit and carries a user's value is refused, and nothing else is."""
    counted["property examples"] += 1
    size = len(EventCodec().encode(event).state)
    carries = isinstance(event, e.RunStarted | e.ActionStarted | e.ActionSucceeded | e.RunCompleted | e.SignalReceived)
    codec = EventCodec(limit_bytes=limit)
    if size > limit and carries:
        with pytest.raises(ValueTooLarge) as refusal:
            codec.encode(event)
        assert refusal.value.size_bytes == size
    else:
        assert len(codec.encode(event).state) == size


@given(text=st.text(st.characters(codec=None), max_size=3_000))
def test_any_error_text_can_be_recorded(text: str) -> None:
    """It becomes UTF-8 of a bounded length, and redacting it twice changes nothing more."""
    counted["property examples"] += 1
    info = describe(ValueError(text))
    assert len(info.message) <= 2_050
    info.message.encode()
    assert redact(redact(text)) == redact(text)


@given(_TEXTS.filter(_is_utf8), _TEXTS.filter(_is_utf8))
def test_keys_are_uuids_of_version_5(run_id: str, step: str) -> None:
    """To the byte: they travel to other systems, and a run that began under an older release keeps its keys."""
    namespace = uuid.UUID("5b1f4c0e-6a0f-5e0b-9d0c-2f6a3c1d7e42")
    assert idempotency_key(run_id, step) == str(uuid.uuid5(namespace, f"{run_id} {step} do"))
    assert undo_idempotency_key(run_id, step) == str(uuid.uuid5(namespace, f"{run_id} {step} undo"))
