"""Static files in B2, for Django's STORAGES["staticfiles"]: `B2StaticStorage`, and `B2ManifestStaticStorage` with names
that hold a hash of the content.

Reading order: `storage` and `manifest`, the two storages; `collection`, what one run of collectstatic knows and does;
`progress`, what it says meanwhile. The command that opens a collection is `management.commands.collectstatic`.
"""

from b2router.staticfiles.manifest import B2ManifestStaticStorage
from b2router.staticfiles.storage import B2StaticStorage

__all__ = ["B2ManifestStaticStorage", "B2StaticStorage"]
