"""`manage.py collectstatic`, for sites that list "b2router" above "django.contrib.staticfiles": Django's command, with
uploads side by side where the static files go to B2. For all other storages it is Django's, unchanged.
"""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

__all__ = ["Command"]


class Command(collectstatic.Command):
    """Collect static files in one place."""

    def collect(self) -> dict[str, Any]:
        """What Django's command does, as one collection."""
        from b2router.staticfiles import B2StaticStorage
        from b2router.staticfiles.progress import shown

        if self.dry_run or not isinstance(self.storage, B2StaticStorage):
            return super().collect()
        with self.storage.collecting(shown(self.stdout, self.stderr, self.verbosity)):
            return super().collect()
