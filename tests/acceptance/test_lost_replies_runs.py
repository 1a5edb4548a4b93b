"""Appends that were committed and never answered."""

import asyncio
from pathlib import Path

import pytest

from tests.acceptance.sieges import SHARE, hold, new_seed
from tests.campaign.parts import lost_replies


@pytest.mark.timeout(400)
def test_a_lost_reply_is_no_conflict(postgres_url: str, tmp_path: Path) -> None:
    """100 of them: no run changes hands, no attempt is entered twice, and every start is acknowledged once."""
    seed = new_seed()
    hold(asyncio.run(lost_replies(postgres_url, tmp_path, seed, SHARE)), seed, lost_replies=100)
