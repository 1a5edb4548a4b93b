"""The contract that every log keeps, as tests for people who write another one.

Derive a test class from `LogContract`, say in one fixture how your log is made, and pytest finds all the tests:

```python
from amends.testing.log_contract import LogContract

class TestMyLog(LogContract):
    @pytest.fixture
    def make_log(self, tmp_path):
        return lambda: MyLog(tmp_path / "log")  # a new object on the same storage each call
```

A log that lends transactions, too, is held to `TransactionalContract` in a second class, which has the same fixture and
`make_rows` besides.

The tests call nothing but the port (`amends.saga.log.port.Log`), need pytest and no plugin of it, and run no database.
They cannot see what a power cut leaves: whether an append that has returned is really on the disk is yours to prove.
"""

import pytest

# Before they are imported, or a broken promise would say `assert False` and not what was read.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in (
            *("appending", "closing", "following", "leases", "limits", "slots", "standings"),
            *("starts", "transactions", "waiting"),
        )
    )
)

from .appending import AppendingContract
from .base import ContractBase, LetLapse, MakeLog
from .closing import ClosingContract
from .following import FollowingContract
from .leases import LeasesContract
from .limits import LimitsContract
from .rows import MakeRows, Rows
from .slots import SlotsContract
from .standings import StandingsContract
from .starts import StartsContract
from .transactions import TransactionsContract
from .waiting import WaitingContract

__all__ = [
    "AppendingContract",
    "ClosingContract",
    "ContractBase",
    "FollowingContract",
    "LeasesContract",
    "LetLapse",
    "LimitsContract",
    "LogContract",
    "MakeLog",
    "MakeRows",
    "Rows",
    "SlotsContract",
    "StandingsContract",
    "StartsContract",
    "TransactionalContract",
    "TransactionsContract",
    "WaitingContract",
]


class LogContract(
    AppendingContract,
    ClosingContract,
    FollowingContract,
    StandingsContract,
    LeasesContract,
    SlotsContract,
    LimitsContract,
    WaitingContract,
):
    """Everything that a log promises. Derive your test class from it; the parts can be taken one by one, too.

    Attributes:
        shared_storage: as in `ContractBase`: several objects, in several processes, can open one storage.
    """


class TransactionalContract(TransactionsContract, StartsContract):
    """Everything that a log promises besides that lends transactions. Derive a test class of its own from it.

    Attributes:
        shared_storage: as in `ContractBase`.
    """
