"""The models that django-cleanup's tests name."""

from django.db import models
from django_cleanup import cleanup


def default_image() -> str:
    return "pic.jpg"


class Pictured(models.Model):
    image = models.FileField(upload_to="testing", blank=True, null=True)
    image_default = models.FileField(upload_to="testing", default="pic.jpg", blank=True, null=True)
    image_default_callable = models.FileField(upload_to="testing", default=default_image, blank=True, null=True)

    class Meta:
        abstract = True


@cleanup.select
class Product(Pictured):
    pass


@cleanup.ignore
class ProductIgnore(Pictured):
    pass


class ProductProxy(Product):
    class Meta:
        proxy = True


class ProductUnmanaged(Pictured):
    class Meta:
        managed = False
        db_table = "test_product"


class RootProduct(models.Model):
    pass


class BranchProduct(models.Model):
    root = models.ForeignKey(RootProduct, on_delete=models.CASCADE)
    image = models.FileField(upload_to="testing", blank=True, null=True)
