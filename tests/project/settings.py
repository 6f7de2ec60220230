"""Settings of the test project; each test brings its own BACKBLAZE_CONFIG."""

SECRET_KEY = "tests only"
DEBUG = True
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "tests.project.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "b2router",
    "tests.project",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "/login/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
BACKBLAZE_CONFIG = {
    "profiles": {
        "public": {"bucket": "acme-public", "route": "b2/", "permission": "public"},
        "logged_in": {"bucket": "acme-members", "route": "b2l/", "permission": "authenticated"},
        "staff": {"bucket": "acme-staff", "route": "b2s/", "permission": "staff"},
    },
    "storages": {"avatars": "public"},
}
