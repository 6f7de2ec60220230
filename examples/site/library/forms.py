"""One upload form for each model; the file goes to the profile that the model's field names."""

from pathlib import PurePath
from typing import Any

from django import forms
from django.template.defaultfilters import filesizeformat

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

LARGEST_UPLOAD_MB = 10


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """Title and file; without a title the file's own name serves."""

    use_required_attribute = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        title = self.fields["title"]
        title.required = False
        title.help_text = "Optional; the file’s name serves without it."
        title.widget.attrs["autocomplete"] = "off"
        file = self.fields[self._file_field]
        file.help_text = f"Up to {LARGEST_UPLOAD_MB} MB."

    @property
    def _file_field(self) -> str:
        model: type[Document] = self._meta.model
        return model.file_field

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        uploaded = data.get(self._file_field)
        if uploaded and uploaded.size > LARGEST_UPLOAD_MB * 2**20:
            self.add_error(
                self._file_field,
                f"This file has {filesizeformat(uploaded.size)}; up to {LARGEST_UPLOAD_MB} MB can be kept here.",
            )
        elif uploaded and not data.get("title"):
            data["title"] = PurePath(uploaded.name).name[:120]
        return data


class LeafletForm(UploadForm):
    class Meta:
        model = Leaflet
        fields = ("title", "file")


class MemberGuideForm(UploadForm):
    class Meta:
        model = MemberGuide
        fields = ("title", "file")


class StaffReportForm(UploadForm):
    class Meta:
        model = StaffReport
        fields = ("title", "file")


class TalkForm(UploadForm):
    class Meta:
        model = Talk
        fields = ("title", "file")


class ExportForm(UploadForm):
    class Meta:
        model = Export
        fields = ("title", "file")


class LedgerForm(UploadForm):
    class Meta:
        model = Ledger
        fields = ("title", "file")


class CatalogueFileForm(UploadForm):
    class Meta:
        model = CatalogueFile
        fields = ("title", "file")


class PrintForm(UploadForm):
    class Meta:
        model = Print
        fields = ("title", "file")


class BrandAssetForm(UploadForm):
    class Meta:
        model = BrandAsset
        fields = ("title", "file")


class InvoiceForm(UploadForm):
    class Meta:
        model = Invoice
        fields = ("title", "owner", "pdf")
        labels = {"owner": "For"}
        widgets = {"pdf": forms.FileInput(attrs={"accept": "application/pdf,.pdf"})}
