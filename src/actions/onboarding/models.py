"""What goes into the actions of the onboarding story, and what comes out.

These are recorded in the log for as long as the log is kept, so they hold what an undo and a reader need and no more.
"""

from typing import Annotated

from pydantic import BaseModel, EmailStr, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]


class NewUser(BaseModel, frozen=True):
    """Somebody who signs up."""

    name: Name
    email: EmailStr


class User(BaseModel, frozen=True):
    """A user who is in the database."""

    user_id: str


class Welcome(BaseModel, frozen=True):
    """A welcome mail to send."""

    user_id: str
    to: EmailStr


class Sent(BaseModel, frozen=True):
    """A mail that the server has taken over; `message_id` is in its header."""

    message_id: str


class Contact(BaseModel, frozen=True):
    """What the CRM is to know about a person."""

    email: EmailStr
    name: Name


class CrmRecord(BaseModel, frozen=True):
    """The contact in the CRM; `created` is false where it was there before and has only been updated."""

    record_id: str
    created: bool
