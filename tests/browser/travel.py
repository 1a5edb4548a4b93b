"""A travel agency whose trips fail, wait and get stuck when a test says so: what the browser looks at."""

import asyncio
from typing import Any

from pydantic import BaseModel
from tenacity import stop_after_attempt, wait_none

from amends import Action, Run, Saga, action, saga

__all__ = ["Travel", "Trip"]


class Trip(BaseModel):
    """Where somebody wants to go.

    Attributes:
        to: where; a test knows its trips by it.
        declined: the card says no.
        stuck: the hotel cannot be cancelled until it is `mended`.
        held: the card is charged when the test says so.
        asks: the agency waits for a word of the traveller.
        says: what errors say, and what is booked.
    """

    to: str
    declined: bool = False
    stuck: bool = False
    held: bool = False
    asks: bool = False
    says: str = ""


class Booking(BaseModel):
    """What was booked."""

    number: str
    notes: dict[str, str] = {}


class CardDeclined(Exception):
    """The card says no."""


class HotelSilent(ConnectionError):
    """The hotel does not answer."""


class Travel:
    """The agency, as its tests hold it.

    Attributes:
        mended: the trips whose hotel can be cancelled now.
        actions: what it does.
        saga: a trip.
    """

    def __init__(self) -> None:
        self._go: dict[str, asyncio.Event] = {}
        self.mended: set[str] = set()
        flight = action("book-flight")(_book)
        flight.undo(_cancel)
        hotel = action("book-hotel")(_book)
        hotel.undo(stop=stop_after_attempt(2), wait=wait_none())(self._leave)
        card = action("charge-card", stop=stop_after_attempt(2), wait=wait_none())(self._charge)
        card.undo(_cancel)
        tickets = action("send-tickets", irreversible=True)(_send)
        self.actions: list[Action[Any, Any]] = [flight, hotel, card, tickets]

        @saga("trip", signals={"say": str})
        async def trip(run: Run, trip: Trip) -> Booking:
            booked: Booking = (await run.all(run.do(flight, trip), run.do(hotel, trip)))[0]
            if trip.asks:
                await run.wait_for("say", str)
            await run.do(tickets, trip)
            await run.do(card, trip)
            return booked

        self.saga: Saga[Any, Any] = trip

    def go(self, to: str) -> asyncio.Event:
        """Return what lets the card of a trip be charged."""
        return self._go.setdefault(to, asyncio.Event())

    async def _charge(self, trip: Trip) -> Booking:
        if trip.held:
            await self.go(trip.to).wait()
        if trip.declined:
            raise CardDeclined(trip.says or "the bank says no")
        return Booking(number="paid")

    async def _leave(self, trip: Trip, booking: Booking | None) -> None:
        if trip.stuck and trip.to not in self.mended:
            raise HotelSilent(trip.says or "nobody picks up the phone")


async def _book(trip: Trip) -> Booking:
    return Booking(number=f"{trip.to}-1", notes={trip.says: trip.says} if trip.says else {})


async def _send(trip: Trip) -> None: ...


async def _cancel(trip: Trip, booking: Booking | None) -> None: ...
