from socket import gethostname

from django.http import HttpResponse
from django.urls import path


def healthz(request):
    return HttpResponse("ok\n", content_type="text/plain")


def home(request):
    return HttpResponse(f"The shop, at {gethostname()}\n", content_type="text/plain")


urlpatterns = [path("healthz", healthz), path("", home)]
