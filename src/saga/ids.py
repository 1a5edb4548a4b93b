"""Names of runs, tags and workers, and the keys that make repeated effects recognisable."""

import os
import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha1
from typing import cast

from ..actions.lossless import has_lone_surrogate
from ..errors import InvalidName, InvalidValue
from .failures import redact

RUN_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,199}")
RUN_ID_LIMIT = 200
TAG_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
STEP_PATTERN = re.compile(r"[0-9]+(\.[0-9]+)*")
TAG_VALUE_LIMIT = 200
LOCK_KEY_LIMIT = 200
WORDS_LIMIT = 2_000
SECONDS_LIMIT = 3_155_760_000
"""100 years; a wait longer than that is a mistake, and a clock has an end."""

_NAMESPACE = uuid.UUID("5b1f4c0e-6a0f-5e0b-9d0c-2f6a3c1d7e42").bytes
"""The namespace of our keys (RFC 9562, section 5.5); never change it."""


def new_run_id(now: datetime) -> str:
    """Return a new run id; later ones sort after earlier ones (48 bits of milliseconds, as in a UUID of version 7)."""
    return f"{int(now.timestamp() * 1000):012x}{os.urandom(10).hex()}"


def new_worker() -> str:
    """Return a token for this boot of this process; never a host name, because two boots must differ."""
    return uuid.uuid4().hex


def checked_run_id(run_id: object) -> str:
    """Return `run_id` if it may name a run.

    Raises:
        InvalidName: it may not.
    """
    if not isinstance(run_id, str):
        raise InvalidName(f"run_id {run_id!r}: is no string")
    if not RUN_ID_PATTERN.fullmatch(run_id):
        raise InvalidName(
            f"run_id {str(run_id)[:80]!r}: use 1 to 200 letters, digits and _ . : @ / + -, a letter or digit first"
        )
    return run_id


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Return the tags as a dictionary if their names and values may be stored.

    Raises:
        InvalidName: a name or a value may not.
    """
    if tags is not None and not isinstance(tags, Mapping):
        raise InvalidName(f"tags: is a {type(tags).__name__}; use a mapping of names to strings")
    checked: dict[str, str] = {}
    for name, value in cast("Mapping[object, object]", tags or {}).items():
        if not isinstance(name, str) or not TAG_PATTERN.fullmatch(name):
            raise InvalidName(f"tag name {str(name)[:80]!r}: use 1 to 64 letters, digits and _ . : -, a letter first")
        if not isinstance(value, str):
            raise InvalidName(f"tags.{name}: {value!r} is no string")
        if len(value) > TAG_VALUE_LIMIT or not value.isprintable():
            raise InvalidName(f"tags.{name}: use at most {TAG_VALUE_LIMIT} printable characters")
        checked[name] = value
    return checked


def checked_lock_key(key: object) -> str:
    """Return `key` if a lock may have it.

    Raises:
        InvalidValue: it may not.
    """
    if not isinstance(key, str):
        raise InvalidValue("key", f"{key!r} is no string")
    if not key or len(key) > LOCK_KEY_LIMIT or not key.isprintable():
        raise InvalidValue("key", f"{key[:80]!r}: use 1 to {LOCK_KEY_LIMIT} printable characters")
    return key


def checked_step(step: object) -> str:
    """Return `step` if it may be a step's path.

    Raises:
        InvalidName: it may not.
    """
    if not isinstance(step, str) or not STEP_PATTERN.fullmatch(step):
        raise InvalidName(f"step {step!r}: use a step's path as a string, such as '2' or '3.1.2'")
    return step


_SAY = {"key": "give the signal one of its own, or leave it out", "by": "say who"}
"""What is to be said instead of nothing, where it is no reason."""


def checked_words(field: str, words: object, *, limit: int = WORDS_LIMIT) -> str:
    """Return what a person says (who, why), fit to be recorded: redacted, and refused where it cannot be stored.

    Raises:
        InvalidValue: it is empty, too long, or not text that UTF-8 can hold.
    """
    if not isinstance(words, str):
        raise InvalidValue(field, f"is a {type(words).__name__}; use a string")
    if not words.strip():
        raise InvalidValue(field, f"is empty; {_SAY.get(field, 'say it in a few words')}")
    if len(words) > limit:
        raise InvalidValue(field, f"has {len(words):,} characters; use at most {limit:,}")
    if has_lone_surrogate(words):
        raise InvalidValue(field, "holds a lone surrogate, which UTF-8 cannot hold; decode the text properly")
    return redact(words)


def checked_seconds(field: str, seconds: object) -> float:
    """Return `seconds` if a run may wait for so long.

    Raises:
        InvalidValue: it is no number, or not within 0 and 100 years.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise InvalidValue(field, f"is {seconds!r}; use a number of seconds")
    if not 0 <= seconds <= SECONDS_LIMIT:
        raise InvalidValue(field, f"is {seconds}; use 0 to {SECONDS_LIMIT:,} (100 years)")
    return float(seconds)


def checked_deadline(now: datetime, seconds: object) -> datetime | None:
    """Return when a run that starts now is to have ended; None for no such time.

    Raises:
        InvalidValue: `seconds` is no number of seconds above 0.
    """
    if seconds is None:
        return None
    if isinstance(seconds, int | float) and seconds <= 0 and not isinstance(seconds, bool):
        raise InvalidValue("deadline_seconds", f"is {seconds}; use more than 0, or None for no deadline")
    checked = checked_seconds("deadline_seconds", seconds)
    return now + timedelta(seconds=checked)


def derived_uuid(name: str) -> uuid.UUID:
    """Return the UUID of version 5 of a name in our namespace."""
    return uuid.UUID(_key(name))


def idempotency_key(run_id: str, step: str) -> str:
    """Return the key that every attempt of a step carries: opaque, because it travels to other systems."""
    return _key(f"{run_id} {step} do")


def undo_idempotency_key(run_id: str, step: str) -> str:
    """Return the key that every attempt of a step's undo carries."""
    return _key(f"{run_id} {step} undo")


def child_run_id(run_id: str, step: str) -> str:
    """Return the id of the run that a step of this run is."""
    plain = f"{run_id}/{step}"
    return plain if len(plain) <= RUN_ID_LIMIT else str(derived_uuid(f"{run_id} {step} run"))


def _key(name: str) -> str:
    """Return `str(uuid.uuid5(_NAMESPACE, name))`, at a third of its cost: a UUID object is not needed on the way."""
    digest = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
