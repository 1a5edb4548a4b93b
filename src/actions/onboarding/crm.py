"""Keeps a contact in a CRM up to date, over HTTP, in the shape of HubSpot's v3 objects API.

What a step did is written into the contact itself, in the same request that does it, with the step's idempotency key
for a mark: `amends_created_by` on a contact that it created, `amends_updated_by` and `amends_before` (the values to
restore) on one that was there. So a repeated attempt sees that it is done, and the undo knows what to take back even
where nobody ever learned an id. The three are properties that an administrator adds to the CRM once. A contact without
the step's mark is never touched: another run has made it, or has changed it since.

One thing no client can prevent from outside: a request that was given up and lands after its undo has looked leaves a
contact with the mark of a step that was undone. Search for the mark to find such contacts.
"""

import json
from typing import Any

from ..call import Call
from .crm_http import CrmApi, CrmUnavailable
from .models import Contact, CrmRecord

_CREATED_BY = "amends_created_by"
_UPDATED_BY = "amends_updated_by"
_BEFORE = "amends_before"
_VALUES = ("firstname",)
_WANTED = ",".join(("email", *_VALUES, _CREATED_BY, _UPDATED_BY, _BEFORE))


class Crm:
    """Creates, updates and archives contacts.

    Args:
        api: how to talk to the CRM.
    """

    def __init__(self, api: CrmApi) -> None:
        self._api = api

    async def update_contact(self, contact: Contact, call: Call) -> CrmRecord:
        """Create the contact, or update the one that has the address.

        Raises:
            CrmUnavailable: nothing was changed; try again later.
            CrmRefused: nothing was changed, and trying again does not help.
            OutcomeUnknown: the request was sent and not answered.
        """
        values = {"firstname": contact.name}
        created = await self._api.create(
            {"email": contact.email, **values, _CREATED_BY: _mark(call)}, call.idempotency_key
        )
        if created is not None:
            return CrmRecord(record_id=created["id"], created=True)
        existing = await self._api.find(contact.email, _WANTED)
        if existing is None:
            raise CrmUnavailable(f"the contact {contact.email} was there and is gone")
        return await self._update(existing, values, call)

    async def _update(self, existing: dict[str, Any], values: dict[str, str], call: Call) -> CrmRecord:
        properties = existing["properties"]
        created = properties.get(_CREATED_BY) == _mark(call)
        if not created and properties.get(_UPDATED_BY) != _mark(call):
            before = json.dumps({name: properties.get(name) or "" for name in values})
            marks = {_UPDATED_BY: _mark(call), _BEFORE: before}
            # A key of its own: services that know the header refuse one key for two different requests.
            await self._api.change(existing["id"], {**values, **marks}, f"{call.idempotency_key}/update")
        return CrmRecord(record_id=existing["id"], created=created)

    async def archive_contact(self, contact: Contact, record: CrmRecord | None, call: Call) -> None:
        """Take back what this step did: archive the contact that it created, or restore the one that it updated.

        Raises:
            CrmUnavailable: nothing was changed; try again later.
            CrmRefused: nothing was changed, and trying again does not help.
            OutcomeUnknown: the request was sent and not answered.
        """
        found = await self._api.get(record.record_id, _WANTED) if record else None
        found = found or await self._api.find(contact.email, _WANTED)
        properties = found["properties"] if found else {}
        if found and properties.get(_CREATED_BY) == _mark(call):
            await self._api.archive(found["id"], call.idempotency_key)
        elif found and properties.get(_UPDATED_BY) == _mark(call):
            before = json.loads(properties[_BEFORE])
            await self._api.change(found["id"], {**before, _UPDATED_BY: "", _BEFORE: ""}, call.idempotency_key)


def _mark(call: Call) -> str:
    """Return the key of the step's attempts, which is the same for the action and its undo."""
    return call.undoes or call.idempotency_key
