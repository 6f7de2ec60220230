"""The app of the test project."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Named "project", so that its models are "project.Invoice"."""

    name = "tests.project"
    label = "project"
