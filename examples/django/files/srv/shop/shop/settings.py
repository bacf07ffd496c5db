from pathlib import Path

SECRET_KEY = Path("/var/lib/shop/key").read_text().strip()
ROOT_URLCONF = "shop.urls"
# A load balancer calls a machine by its address.
ALLOWED_HOSTS = ["*"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
USE_TZ = True
