"""Typed values to JSON text and back, without loss.

A value crosses the log between a handler's return and everything that reads it later, so it must come back as it
went in. `ValueType.encode` proves that for each value before anything is recorded; what would change on the way
(`NaN`, a lone surrogate, a tuple under `Any`, a `SecretStr`) is refused by the name of the field. Sizes are checked by
whoever makes the event, because only an event has a limit.
"""

from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from ..errors import InvalidValue
from .lossless import first_difference, first_unstorable

JsonText = str
"""A JSON document as text: what events carry, opaque to every tool that reads the log."""

_PLAIN = (str, bool, None, type(None))
"""Types whose every value comes back from JSON as it went in, if JSON can hold it at all; no need to look."""

T = TypeVar("T")


class ValueType(Generic[T]):
    """One type whose values can be stored, by anything that pydantic can validate.

    Args:
        annotation: a model, a dataclass, `str`, `list[int]`, `User | None` ...
        name: how errors call the value, e.g. `"input"`.
    """

    def __init__(self, annotation: Any, name: str) -> None:
        self.annotation = annotation
        self.name = name
        self._is_plain = any(annotation is plain for plain in _PLAIN)

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self.annotation)

    def prepare(self) -> None:
        """Build the validator now, so that a type that pydantic cannot handle is found at definition time."""
        _ = self._adapter

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the type."""
        return self._adapter.json_schema()

    def accepts_none(self) -> bool:
        """Return whether `None` is a value of this type."""
        try:
            self._adapter.validate_python(None)
        except ValidationError:
            return False
        return True

    def validate(self, value: object) -> T:
        """Return `value` as a value of this type, converting as pydantic does (a dict to a model, say).

        Raises:
            InvalidValue: it does not fit; names the first field that does not.
        """
        try:
            typed: T = self._adapter.validator.validate_python(value)
        except ValidationError as error:
            raise _first_problem(self.name, error) from None
        except RecursionError:
            raise InvalidValue(self.name, "is nested too deeply") from None
        return typed

    def encode(self, value: object) -> JsonText:
        """Return `value` as JSON text that decodes to the same value.

        Raises:
            InvalidValue: it does not fit the type, or would not come back the same; names the field.
        """
        typed = self.validate(value)
        try:
            text = self._adapter.serializer.to_json(typed, by_alias=True)
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            unstorable = first_unstorable(self.name, value) or (self.name, f"cannot be stored as JSON: {error}")
            raise InvalidValue(*unstorable) from None
        if self._is_plain:
            return text.decode()
        try:
            back = self._adapter.validator.validate_json(text)
        except ValidationError as error:
            found = first_unstorable(self.name, self._adapter.dump_python(typed))
            raise (InvalidValue(*found) if found else _first_problem(self.name, error)) from None
        if not self._same(typed, back):
            raise self._lossy(typed, back)
        return text.decode()

    def decode(self, text: JsonText) -> T:
        """Return the value that `encode` stored.

        Raises:
            InvalidValue: the stored text does not fit the type any more (the type has changed since).
        """
        try:
            value: T = self._adapter.validator.validate_json(text)
        except ValidationError as error:
            raise _first_problem(self.name, error) from None
        return value

    def _same(self, value: T, back: T) -> bool:
        try:
            if bool(value == back):
                return True
        except Exception:  # A user's __eq__ may do anything, e.g. answer with an array; the dumps below decide.
            return self._dumps_agree(value, back)
        return self._dumps_agree(value, back)

    def _dumps_agree(self, value: T, back: T) -> bool:
        dump = self._adapter.dump_python
        return bool(dump(value) == dump(back))

    def _lossy(self, value: T, back: T) -> InvalidValue:
        dump = self._adapter.dump_python
        before = dump(value)
        found = first_unstorable(self.name, before) or first_difference(self.name, before, dump(back))
        return InvalidValue(*(found or (self.name, "would not come back from JSON as it went in")))


def _first_problem(name: str, error: ValidationError) -> InvalidValue:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return InvalidValue(".".join([name, *map(str, first["loc"])]), first["msg"])
