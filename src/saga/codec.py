"""Events to records and back, in the format of the `eventsourcing` library's own mapper.

A record is a topic and the event's JSON, compressed and encrypted where the library's environment variables say so
(`COMPRESSOR_TOPIC`, `CIPHER_TOPIC`, `CIPHER_KEY`, each also with the prefix `AMENDS_`). Reading differs from the
library in one point: a topic that is not one of ours is refused, where the library would import whatever it names.
"""

import os
from collections.abc import Mapping

from eventsourcing.domain import EventSourcingError
from eventsourcing.persistence import Cipher, Compressor, InfrastructureFactory, TrackingRecorder
from eventsourcing.utils import Environment, TopicError
from pydantic import ValidationError

from ..errors import DefinitionError, LogCorrupt, ValueTooLarge
from .access import ACCESS_TYPES
from .events import EVENT_TYPES, ActionStarted, ActionSucceeded, Event, RunCompleted, RunStarted, SignalReceived
from .log.port import Record

DEFAULT_PAYLOAD_LIMIT_BYTES = 1 << 20

_BY_TOPIC = {event.TOPIC: event for event in (*EVENT_TYPES, *ACCESS_TYPES)}
_PAYLOADS: dict[type[Event], str] = {
    RunStarted: "input",
    ActionStarted: "input",
    ActionSucceeded: "output",
    RunCompleted: "output",
    SignalReceived: "payload",
}


class EventCodec:
    """Encodes and decodes events.

    Args:
        compressor: the library's, or None.
        cipher: the library's, or None.
        limit_bytes: the most that an event with a user's value in it may take, as JSON.
    """

    def __init__(
        self,
        compressor: Compressor | None = None,
        cipher: Cipher | None = None,
        limit_bytes: int = DEFAULT_PAYLOAD_LIMIT_BYTES,
    ) -> None:
        self._compressor = compressor
        self._cipher = cipher
        self._limit_bytes = limit_bytes

    @classmethod
    def from_environment(
        cls, limit_bytes: int = DEFAULT_PAYLOAD_LIMIT_BYTES, environment: Mapping[str, str] | None = None
    ) -> "EventCodec":
        """Make a codec by the library's environment variables.

        Raises:
            DefinitionError: a cipher is asked for without a key, or a topic names nothing.
        """
        given = os.environ if environment is None else environment
        if not any(map(given.get, _VARIABLES)):
            return cls(limit_bytes=limit_bytes)
        variables = dict(given) | _IN_MEMORY
        factory: InfrastructureFactory[TrackingRecorder] = InfrastructureFactory.construct(
            Environment("AMENDS", variables)
        )
        try:
            return cls(factory.compressor(), factory.cipher(), limit_bytes)
        except (OSError, ValueError, EventSourcingError, TopicError) as error:
            raise DefinitionError(f"COMPRESSOR_TOPIC, CIPHER_TOPIC or CIPHER_KEY does not fit: {error}") from error

    def encode(self, event: Event) -> Record:
        """Return `event` as it will be stored.

        Raises:
            ValueTooLarge: it holds a user's value and exceeds the limit.
        """
        state = event.__pydantic_serializer__.to_json(event, exclude_none=True)
        if len(state) > self._limit_bytes and type(event) in _PAYLOADS:
            raise ValueTooLarge(_PAYLOADS[type(event)], len(state), self._limit_bytes)
        if self._compressor:
            state = self._compressor.compress(state)
        if self._cipher:
            state = self._cipher.encrypt(state)
        return Record(event.TOPIC, state)

    def decode(self, record: Record) -> Event:
        """Return the event of a record.

        Raises:
            LogCorrupt: the topic is not one of ours, or the state cannot be read.
        """
        event_type = _BY_TOPIC.get(record.topic)
        if event_type is None:
            raise LogCorrupt(f"an event has the unknown topic {record.topic[:100]!r}; nothing was imported")
        try:
            state = self._cipher.decrypt(record.state) if self._cipher else record.state
            state = self._compressor.decompress(state) if self._compressor else state
            event: Event = event_type.__pydantic_validator__.validate_json(state)
            return event
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors()[:3])
            raise LogCorrupt(f"an event of the topic {record.topic} cannot be read: {problems}") from None
        except Exception as error:  # Ciphers and compressors are the user's choice; whatever they raise means this.
            kind = type(error).__name__
            raise LogCorrupt(
                f"an event of the topic {record.topic} cannot be decrypted or decompressed: {kind}"
            ) from error


def reads_encrypted(environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether the environment names a cipher, so that events lie in the log encrypted."""
    given = os.environ if environment is None else environment
    return any(given.get(prefix + "CIPHER_TOPIC") for prefix in ("", "AMENDS_"))


_IN_MEMORY = {"PERSISTENCE_MODULE": "eventsourcing.popo"}
_VARIABLES = [
    prefix + name for prefix in ("", "AMENDS_") for name in ("COMPRESSOR_TOPIC", "CIPHER_TOPIC", "CIPHER_KEY")
]
"""What the library looks for; where there is none of it, the library need not be asked."""
