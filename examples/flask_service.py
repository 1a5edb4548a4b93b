"""A Flask service: `POST /signup` through `amends.blocking`.

    gunicorn --config examples/gunicorn.conf.py --threads 8 examples.flask_service:app

The settings are those of `signup.py`.
"""

from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from examples.portal import sign_up

app = Flask(__name__)


@app.post("/signup")
def signup() -> ResponseReturnValue:
    """Take a user in; asked again with the same key, the answer is that of the first time."""
    status, body = sign_up(request.get_data(), request.headers.get("Idempotency-Key", ""))
    return body, status


@app.errorhandler(HTTPException)
def refuse(error: HTTPException) -> ResponseReturnValue:
    """Answer programs, not people, also where Flask itself refuses."""
    return {"detail": error.name}, error.code or 500
