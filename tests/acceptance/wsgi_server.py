"""Serves a WSGI application in threads, as a worker of gunicorn does, with the settings of the examples for gunicorn.

    python -m tests.acceptance.wsgi_server examples.flask_service:app

SIGTERM ends it when its answers are given; then `worker_exit` is called.
"""

import importlib
import runpy
import signal
import sys
import threading

from werkzeug.serving import ThreadedWSGIServer

from tests.tree import ROOT


class Server(ThreadedWSGIServer):
    daemon_threads = False  # Closing it waits for the answers.


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    server = Server("127.0.0.1", 0, getattr(importlib.import_module(module), name))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stderr.write(f"http://127.0.0.1:{server.server_port}\n")
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    runpy.run_path(str(ROOT / "examples" / "gunicorn.conf.py"))["worker_exit"](None, None)


if __name__ == "__main__":
    main()
