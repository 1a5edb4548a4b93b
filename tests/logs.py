"""What the tests of logs have in common, besides what the contract suite brings."""

from contextlib import AbstractAsyncContextManager

from amends.saga.log.open import open_log
from amends.saga.log.port import Log
from amends.testing.log_contract import records
from amends.testing.log_contract.records import Key, a_record, collect, key

__all__ = ["Key", "a_record", "collect", "key", "opened"]


def opened(url: str) -> AbstractAsyncContextManager[Log]:
    """Open the log that a URL names, yield it, and close it."""
    return records.opened(open_log(url))
