"""The files that bugs are planted into."""

ACTION, VALUES = "actions/action.py", "actions/values.py"
ADMISSION, LIMITS, MEMORY_LIMITS = "saga/admission.py", "saga/log/limits.py", "saga/log/memory_limits.py"
POOL = "saga/pool.py"
ASKING, ATTEMPTS, CODEC, COORDINATOR = "saga/asking.py", "saga/attempts.py", "saga/codec.py", "saga/coordinator.py"
DECISIONS, DRIVER, HEART = "saga/decisions.py", "saga/driver.py", "saga/heart.py"
HOSTING, IDS, MEMORY, OUTBOX = "saga/hosting.py", "saga/ids.py", "saga/log/memory.py", "saga/outbox.py"
REPLAY, ROSTER, RUN = "saga/replay.py", "saga/log/roster.py", "saga/run.py"
STANDING, STATE, UNWIND = "saga/standing.py", "saga/state.py", "saga/unwind.py"
ASKED, BRANCHES, CALLING, CATCHING_UP = "saga/asked.py", "saga/branches.py", "saga/calling.py", "saga/catching_up.py"
LETTING_GO, COMMANDS, UNDER_WAY, WAITS = "saga/letting_go.py", "saga/runs.py", "saga/under_way.py", "saga/waits.py"
CHILDREN, ENLISTING, MOVING, TRANSACTING = (
    "saga/children.py",
    "saga/enlisting.py",
    "saga/moving.py",
    "saga/transacting.py",
)
SQLITE_LENT, SQLITE_STARTS = "saga/log/sqlite_lent.py", "saga/log/sqlite_starts.py"
POSTGRES_TRANSACTIONS = "saga/log/postgres_transactions.py"
