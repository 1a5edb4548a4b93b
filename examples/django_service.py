"""A Django site of one file: `POST /signup` through `amends.blocking`.

    gunicorn --config examples/gunicorn.conf.py --threads 8 examples.django_service:app

The settings are those of `signup.py`, and DJANGO_SECRET_KEY.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from examples.portal import sign_up


@csrf_exempt  # Programs call it, which have no cookies.
@require_POST
def signup(request: HttpRequest) -> JsonResponse:
    """Take a user in; asked again with the same key, the answer is that of the first time."""
    status, answer = sign_up(request.body, request.headers.get("Idempotency-Key", ""))
    return JsonResponse(answer, status=status)


urlpatterns = [path("signup", signup)]

if not settings.configured:  # In a site of your own this stands in settings.py and wsgi.py.
    settings.configure(
        ALLOWED_HOSTS=["localhost", "127.0.0.1"],
        ROOT_URLCONF=__name__,
        SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY") or os.urandom(32).hex(),
    )
app = get_wsgi_application()
