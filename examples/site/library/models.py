"""The rows behind the files; each model's file field names the profile that keeps its bytes."""

from pathlib import PurePosixPath
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.fields.files import FieldFile
from django.urls import reverse

import b2router


class Document(models.Model):
    """What every stored file has beside its bytes. `profile` is where `storage_ref` puts them."""

    profile: ClassVar[str]
    file_field: ClassVar[str] = "file"

    title = models.CharField(max_length=120)
    size_bytes = models.PositiveBigIntegerField("size in bytes", default=0, editable=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )
    uploaded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        ordering = ("-uploaded_at", "-pk")

    def __str__(self) -> str:
        return self.title

    @property
    def stored(self) -> FieldFile:
        """The file itself, whatever the model calls its field."""
        stored: FieldFile = getattr(self, self.file_field)
        return stored

    @property
    def kind(self) -> str:
        """The ending of the file's name, in capitals: what the tile beside it says."""
        return PurePosixPath(self.stored.name or "").suffix.removeprefix(".").upper()[:4] or "FILE"

    def save(self, *args: object, **kwargs: object) -> None:
        """Keep the size of a new file in the row: pages then show it without asking B2."""
        if self.stored and not getattr(self.stored, "_committed", True):
            self.size_bytes = self.stored.size
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def get_absolute_url(self) -> str:
        return reverse("profile", args=[self.profile])


class Leaflet(Document):
    """For everybody who walks by."""

    profile = "public"
    file = models.FileField(storage=b2router.storage_ref("public"), upload_to="leaflets/")


class MemberGuide(Document):
    """For whoever has signed in."""

    profile = "logged_in"
    file = models.FileField(storage=b2router.storage_ref("logged_in"), upload_to="guides/")


class StaffReport(Document):
    """For the people behind the desk."""

    profile = "staff"
    file = models.FileField(storage=b2router.storage_ref("staff"), upload_to="reports/")


class Talk(Document):
    """For members, and large: nginx hands it out."""

    profile = "talks"
    file = models.FileField(storage=b2router.storage_ref("talks"), upload_to="evenings/")


class Export(Document):
    """For the people behind the desk, from B2 itself, with an address that works for a while."""

    profile = "exports"
    file = models.FileField(storage=b2router.storage_ref("exports"), upload_to="nightly/")


class Ledger(Document):
    """The same in an old bucket, which only B2's own download tokens open."""

    profile = "ledgers"
    file = models.FileField(storage=b2router.storage_ref("ledgers"), upload_to="books/")


class CatalogueFile(Document):
    """Open data, in a public bucket that anybody may know."""

    profile = "catalogue"
    file = models.FileField(storage=b2router.storage_ref("catalogue"), upload_to="open/")


class BrandAsset(Document):
    """Pictures that the CDN hands out without asking the site."""

    profile = "cdn"
    file = models.FileField(storage=b2router.storage_ref("cdn"), upload_to="brand/")


class Print(Document):
    """Large pictures for members: the site signs the address, the CDN hands them out."""

    profile = "prints"
    file = models.FileField(storage=b2router.storage_ref("prints"), upload_to="large/")


class Invoice(Document):
    """For one reader, and staff: see `permissions.may_read_invoice`."""

    profile = "invoices"
    file_field = "pdf"

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="invoices")
    pdf = models.FileField("PDF", storage=b2router.storage_ref("invoices"), upload_to="%Y/")
