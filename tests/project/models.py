"""A model whose rows own files."""

from django.contrib.auth.models import User
from django.db import models

from b2router import storage_ref


class Invoice(models.Model):
    """One file for one user."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE)
    pdf = models.FileField(storage=storage_ref("staff"), upload_to="invoices")

    def __str__(self) -> str:
        return self.pdf.name


class Scan(models.Model):
    """The same, where the database takes "a" for "A", as MySQL does by default."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE)
    name = models.CharField(max_length=100, db_collation="NOCASE")

    def __str__(self) -> str:
        return self.name
