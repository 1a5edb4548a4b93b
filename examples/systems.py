"""The mail server and the CRM of `amends demo`, as a process, for those who want to try the services here.

    python -m examples.systems

It says where they are, and ends with SIGTERM or Ctrl-C. Its settings: SYSTEMS_HOST (127.0.0.1; 0.0.0.0 in a container),
SMTP_PORT (1025) and CRM_PORT (8025), of which 0 takes a free one.
"""

import asyncio
import os
import signal

from amends.console.demo.crm_server import CrmServer
from amends.console.demo.smtp_sink import SmtpSink


async def serve() -> None:
    """Serve both until told to stop."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    host = os.environ.get("SYSTEMS_HOST", "127.0.0.1")
    crm = CrmServer(host=host, port=int(os.environ.get("CRM_PORT", "8025")))
    sink = SmtpSink(host=host, port=int(os.environ.get("SMTP_PORT", "1025")))
    with crm:
        async with sink:
            print(f"mail on port {sink.port}, CRM on port {crm.port}", flush=True)
            await stopping.wait()


if __name__ == "__main__":
    asyncio.run(serve())
