"""The hash chains: whatever is done to a sealed page is found, at the first event that it was done to."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from amends.projections.chain import BreachKind, Head, Link, broken, link_run, mark_of, seal_page
from amends.saga.log.pages import Row

texts = st.text(min_size=1, max_size=5)
contents = st.lists(st.tuples(texts, st.integers(1, 9), texts, st.binary(max_size=6)), min_size=1, max_size=8)
before = st.builds(Head, st.integers(0, 100), st.binary(min_size=32, max_size=32))


def placed(found: Sequence[tuple[str, int, str, bytes]], after: Head) -> list[Row]:
    """Positions have gaps, as those of a real log do."""
    return [(*content, after.position + 2 * number) for number, content in enumerate(found, start=1)]


@given(contents, before)
def test_an_untouched_page_is_as_it_was_sealed(found: list[tuple[str, int, str, bytes]], after: Head) -> None:
    """And the seal knows how many events it covers."""
    rows = placed(found, after)
    seal = seal_page(after, rows)
    assert broken(after, seal, rows) is None
    assert seal.event_count == len(rows)


@given(contents, before, st.data())
def test_the_first_event_that_was_changed_is_named(
    found: list[tuple[str, int, str, bytes]], after: Head, data: st.DataObject
) -> None:
    """Any field of it, or all of it, or one that was never there."""
    rows = placed(found, after)
    seal = seal_page(after, rows)
    index = data.draw(st.integers(0, len(rows) - 1))
    run_id, version, topic, state, position = rows[index]
    what = data.draw(st.sampled_from(list(BreachKind)))
    match what:
        case BreachKind.CHANGED:
            others = [
                (run_id + "x", version, topic, state),
                (run_id, version + 1, topic, state),
                (run_id, version, topic + "x", state),
                (run_id, version, topic, state + b"x"),
                (run_id[:-1], version, run_id[-1] + topic, state),
            ]
            other = data.draw(st.sampled_from(others))
            rows[index] = (*other, position)
            rows[index + 1 :] = []  # What comes later was touched as well.
        case BreachKind.REMOVED:
            del rows[index]
        case BreachKind.PUT_IN:
            position -= 1
            rows.insert(index, (run_id, version, topic, state, position))
        case BreachKind.SEAL_CHANGED:
            position = seal.head.position
            after = after._replace(
                chain=bytes(reversed(after.chain)) if after.chain != after.chain[::-1] else b"x" * 32
            )
    breach = broken(after, seal, rows)
    assert breach is not None
    assert (breach.kind, breach.position) == (what, position)


@given(contents)
def test_a_run_is_chained_once_however_it_is_read(found: list[tuple[str, int, str, bytes]]) -> None:
    """In one go, event by event, or with some of it read twice."""
    rows = [("run", version, topic, state, version) for version, (_, _, topic, state) in enumerate(found, start=1)]
    whole = link_run(Link(), rows)
    step = Link()
    for row in rows:
        step = link_run(step, [row])
    assert whole == step == link_run(whole, rows)
    assert whole.version == len(rows)
    assert link_run(Link(), [*rows[:-1], (*rows[-1][:3], rows[-1][3] + b"x", 1)]) != whole


def test_no_two_events_have_the_same_bytes_to_hash() -> None:
    """Moving a character from one field to the next makes another event."""
    rows: list[Row] = [
        ("ab", 1, "c", b"d", 1),
        ("a", 1, "bc", b"d", 1),
        ("ab", 1, "", b"cd", 1),
        ("", 1, "abc", b"d", 1),
    ]
    assert len({mark_of(row) for row in rows}) == len(rows)
