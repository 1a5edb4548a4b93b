"""When a waiting run is due, as the databases hold it: whole microseconds since 1970, in UTC."""

from datetime import UTC, datetime, timedelta

__all__ = ["microseconds", "moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Return an aware time as a number."""
    return (at - _EPOCH) // _MICROSECOND


def moment(microseconds_since: int) -> datetime:
    """Return the time that `microseconds` made a number of, in UTC."""
    return _EPOCH + microseconds_since * _MICROSECOND
