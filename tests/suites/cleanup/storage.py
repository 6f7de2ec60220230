"""A storage whose delete raises for what is not there, which one test is about."""

import os

from tests.suites.stand_in import FolderInB2


class DeleteErrorStorage(FolderInB2):
    def delete(self, name: str) -> None:
        os.remove(self.path(name))  # noqa: PTH107 - which `look_into_b2` replaces
