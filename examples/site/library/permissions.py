"""Who may read an invoice: the one rule that this site has beyond b2router's own."""

from django.http import HttpRequest

from b2router.permissions import RequestedFile

from .models import Invoice


def may_read_invoice(request: HttpRequest, file: RequestedFile) -> bool:
    """Allow staff, and the person whom the invoice is for; `file.row` is the invoice."""
    user = request.user
    if not user.is_active:
        return False
    return user.is_staff or (isinstance(file.row, Invoice) and file.row.owner_id == user.pk)
