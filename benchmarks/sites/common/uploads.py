"""Saves an uploaded file with the storage "public"; the same few lines for every measured package."""

from django.core.files.storage import storages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    """Save the file of a multipart form; Django has put a large one into a temporary file by now."""
    content = request.FILES["file"]
    if not isinstance(content, UploadedFile):  # typing only: one name, one file
        raise TypeError
    return JsonResponse({"name": storages["public"].save(f"uploads/{content.name}", content)})
