#!/usr/bin/env python
"""Django's commands for the example site; needs the environment that `demo.py` sets up."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "acme.settings")
    execute_from_command_line(sys.argv)
