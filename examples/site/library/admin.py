"""The desk's view of the rows; file links lead through the profiles' own addresses."""

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from .models import (
    BrandAsset,
    CatalogueFile,
    Document,
    Export,
    Invoice,
    Leaflet,
    Ledger,
    MemberGuide,
    Print,
    StaffReport,
    Talk,
)

admin.site.site_header = "Acme Library"
admin.site.site_title = "Acme Library"
admin.site.index_title = "Files by profile"


class UploadAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """What all files have in common; whoever adds one is remembered."""

    list_select_related = ("uploaded_by",)
    search_fields = ("title",)
    readonly_fields = ("size_bytes", "uploaded_by", "uploaded_at")

    def save_model(self, request: HttpRequest, obj: Document, form: "ModelForm[Document]", change: bool) -> None:
        if not change and request.user.is_authenticated:
            obj.uploaded_by = request.user
        super().save_model(request, obj, form, change)


@admin.register(Leaflet, MemberGuide, StaffReport, Talk, Export, Ledger, CatalogueFile, BrandAsset, Print)
class DocumentAdmin(UploadAdmin):
    list_display = ("title", "size_bytes", "uploaded_by", "uploaded_at")


@admin.register(Invoice)
class InvoiceAdmin(UploadAdmin):
    list_display = ("title", "owner", "size_bytes", "uploaded_by", "uploaded_at")
    list_filter = (("owner", admin.RelatedOnlyFieldListFilter),)
