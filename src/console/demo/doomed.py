"""A process of the demo that dies between two steps. It reads what it needs as JSON from its standard input.

It starts an onboarding run of its own and is killed, by itself and as hard as a process can be, when the mail is to be
sent. The demo's own process takes the run over.
"""

import asyncio
import json
import os
import signal
import sys

from ...actions.call import Call
from ...actions.onboarding import Mailer, Sent, Welcome
from .stage import Systems


class _LastMailer(Mailer):
    """Kills its process instead of sending."""

    def send_welcome(self, welcome: Welcome, call: Call) -> Sent:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().send_welcome(welcome, call)


async def start_and_die(systems: Systems, person: dict[str, str], run_id: str) -> None:
    """Start the run; this returns only if the process has failed to die."""
    mailer = _LastMailer("127.0.0.1", systems.mail_port, sender="welcome@example.com")
    async with systems.coordinator(systems.users(), mailer) as coordinator:
        await (await coordinator.start("onboard-user", person, run_id=run_id)).result()


if __name__ == "__main__":
    words = json.load(sys.stdin)
    asyncio.run(start_and_die(Systems(**words["systems"]), words["person"], words["run_id"]))
