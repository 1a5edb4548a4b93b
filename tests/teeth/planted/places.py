"""The files that bugs are planted into."""

ACTION, VALUES = "actions/action.py", "actions/values.py"
ASKING, ATTEMPTS, CODEC, COORDINATOR = "saga/asking.py", "saga/attempts.py", "saga/codec.py", "saga/coordinator.py"
DECISIONS, DRIVER, HEART = "saga/decisions.py", "saga/driver.py", "saga/heart.py"
HOSTING, IDS, MEMORY, OUTBOX = "saga/hosting.py", "saga/ids.py", "saga/log/memory.py", "saga/outbox.py"
REPLAY, ROSTER, RUN = "saga/replay.py", "saga/log/roster.py", "saga/run.py"
STANDING, STATE, UNWIND = "saga/standing.py", "saga/state.py", "saga/unwind.py"
