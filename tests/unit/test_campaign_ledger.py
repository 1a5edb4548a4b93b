"""The ledger of the campaign is read as it was written, also where a process was killed in the middle of a line."""

from pathlib import Path

import pytest

from amends import Call
from tests.campaign.ledger import At, Ledger, Tail


@pytest.mark.parametrize("count", [1, 4, 40, -2])
def test_a_line_whose_writer_was_killed_says_nothing(tmp_path: Path, count: int) -> None:
    """The kernel may stop a write between two pages of memory; what comes next is not mixed up with what is left."""
    path = tmp_path / "ledger"
    ledger, tail = Ledger(path), Tail(path)
    ledger.note(At.LAND, "do", "mail", Call(run_id="run", step="1", attempt=1, idempotency_key="killed"))
    torn = path.read_bytes()[:count]
    path.write_bytes(torn)
    assert tail.read() == []
    ledger.note(At.LAND, "do", "mail", Call(run_id="run", step="2", attempt=1, idempotency_key="whole"))
    assert [line.key for line in tail.read()] == ["whole"]
    assert [ledger.has_landed(key) for key in ("killed", "whole")] == [False, True]
    ledger.close()
