"""The pages: what each profile keeps, who may read it, and a form for those who may add to it."""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from b2router.config import BucketProfile
from b2router.errors import BackendError
from b2router.modes import CdnDelivery, CdnSigning, RedirectDelivery
from b2router.permissions import describe
from b2router.router import current_router

from . import reading
from .forms import UploadForm
from .models import Document, Invoice
from .people import PEOPLE
from .shelves import SHELVES, Shelf, Visitor

CARD_FILES = 4
"""Files that a card on the home page names; the page of the profile has all of them."""

DELIVERIES = {
    "proxy": "streamed by the site",
    "redirect": "redirect to B2, signed here",
    "redirect native": "redirect to B2, with its download token",
    "accel": "streamed by nginx",
    "direct": "straight from B2",
    "cdn": "straight from the CDN",
    "cdn signed": "redirect to the CDN, signed here",
}


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that a page says about one profile to one visitor."""

    shelf: Shelf
    profile: BucketProfile
    documents: list[Document]
    is_empty: bool
    form: UploadForm | None

    @property
    def readers(self) -> str:
        return _readers(self.shelf, self.profile)

    @property
    def delivery(self) -> str:
        match self.profile.delivery:
            case RedirectDelivery(signer="native"):
                return DELIVERIES["redirect native"]
            case CdnDelivery(signing=CdnSigning()):
                return DELIVERIES["cdn signed"]
            case delivery:
                return DELIVERIES[delivery.mode]

    @property
    def note(self) -> str:
        """Where the environment has put another delivery in the place of the declared one."""
        declared = settings.BACKBLAZE_CONFIG["profiles"][self.profile.name].get("delivery", {}).get("mode", "proxy")
        if declared == "accel" and self.profile.delivery.mode == "proxy":
            return "Declared as accel. No nginx stands before this site, so it streams these files itself."
        return ""

    @property
    def declaration(self) -> str:
        """The profile as the settings declare it; keys and secrets are in the environment."""
        declared = settings.BACKBLAZE_CONFIG["profiles"][self.profile.name]
        return f'"{self.profile.name}": {json.dumps(declared, indent=4)}'


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    cards = [_card(request, shelf) for shelf in SHELVES.values()]
    context = {"cards": cards, "card_files": CARD_FILES, **_access(request)}
    return render(request, "library/home.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest, name: str) -> HttpResponse:
    """Show one profile; a POST adds a file to it."""
    if name not in SHELVES:
        raise Http404
    shelf, bound = SHELVES[name], None
    if request.method == "POST":
        if not shelf.may_upload(request.user):
            if not request.user.is_authenticated:
                return redirect_to_login(request.path)
            raise PermissionDenied
        bound = shelf.form(request.POST, request.FILES, **_form_style(shelf))
        if bound.is_valid() and _keep(request, bound):
            return redirect("profile", name)
    card = _card(request, shelf, bound)
    return render(request, "library/profile.html", {"card": card}, status=422 if bound else 200)


@require_safe
def access(request: HttpRequest) -> HttpResponse:
    return render(request, "library/access.html", _access(request))


class Login(LoginView):
    """Django's own, with the example's two logins named beside the form."""

    redirect_authenticated_user = True
    extra_context = {"people": PEOPLE}

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "label_suffix": ""}


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One file that stands for its profile, and what every visitor gets of it."""

    shelf: Shelf
    profile: BucketProfile
    document: Document
    note: str
    outcomes: list[tuple[str, reading.Outcome]]
    is_readable: bool

    @property
    def readers(self) -> str:
        return _readers(self.shelf, self.profile)


def _access(request: HttpRequest) -> dict[str, object]:
    """The table of every profile against every visitor, decided by the profiles' own permissions."""
    visitors = [(label, reading.as_visitor(request, visitor)) for label, visitor in _visitors()]
    rows = [
        AccessRow(
            shelf=shelf,
            profile=current_router().profiles[shelf.profile],
            document=document,
            note=note,
            outcomes=[(label, reading.outcome(visitor, document)) for label, visitor in visitors],
            is_readable=reading.may_read(request, document),
        )
        for shelf in SHELVES.values()
        for document, note in _examples(shelf)
    ]
    you = request.user.get_username() or "anonymous"
    return {"rows": rows, "visitors": [label for label, _ in visitors], "you": you}


def _card(request: HttpRequest, shelf: Shelf, bound: UploadForm | None = None) -> Card:
    documents = list(shelf.model._default_manager.select_related("uploaded_by"))
    form = bound
    if form is None and shelf.may_upload(request.user):
        form = shelf.form(**_form_style(shelf))
    return Card(
        shelf=shelf,
        profile=current_router().profiles[shelf.profile],
        documents=[document for document in documents if reading.may_read(request, document)],
        is_empty=not documents,
        form=form,
    )


def _readers(shelf: Shelf, profile: BucketProfile) -> str:
    return shelf.readers or describe(profile.permission)


def _form_style(shelf: Shelf) -> dict[str, Any]:
    """Field ids that stay unique where the home page shows several forms; labels without a colon."""
    return {"auto_id": f"{shelf.profile}-%s", "label_suffix": ""}


def _keep(request: HttpRequest, form: UploadForm) -> bool:
    """Save the file into its bucket and the row into the database; say so if B2 does not take it."""
    if isinstance(request.user, User):
        form.instance.uploaded_by = request.user
    try:
        document = form.save()
    except BackendError:
        form.add_error(None, "B2 did not take the file just now. Nothing was saved; please try again.")
        return False
    messages.success(request, f"“{document.title}” is in the bucket.")
    return True


def _visitors() -> list[tuple[str, Visitor]]:
    known = User.objects.in_bulk([person.username for person in PEOPLE], field_name="username")
    return [("anonymous", AnonymousUser()), *known.items()]


def _examples(shelf: Shelf) -> list[tuple[Document, str]]:
    """One file that stands for the profile; where the owner decides, one file for each owner."""
    newest_first = shelf.model._default_manager.all()
    if shelf.model is not Invoice:
        return [(document, "") for document in newest_first[:1]]
    by_owner = {document.owner.username: document for document in Invoice.objects.select_related("owner")}
    return [(by_owner[owner], f"for {owner}") for owner in sorted(by_owner)]
