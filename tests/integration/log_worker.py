"""A process with a log of its own: `python -m tests.integration.log_worker URL`.

Commands come over its standard input, one a line, each answered by one line: `open`; `append RUN VERSION COUNT`
(so many appends of one record); `quit`.
"""

import asyncio
import sys

from amends.saga.log.open import open_log
from tests.logs import a_record


def _answer(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(url: str) -> None:
    log = open_log(url)
    _answer("ready")
    while True:
        command, *arguments = (await asyncio.to_thread(sys.stdin.readline)).split() or ["quit"]
        if command == "quit":
            break
        if command == "open":
            await log.open()
        else:
            run_id, first, count = arguments[0], int(arguments[1]), int(arguments[2])
            for version in range(first, first + count):
                await log.append(run_id, version, [a_record(f"{run_id} {version}")])
        _answer("done")
    await log.close()
    _answer("closed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
