"""Starts the benchmarks from a checkout: python benchmarks/run.py [--quick] [--only NAME] [--json FILE] [--record]."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)  # so that `benchmarks` and the checkout's b2router import
    from benchmarks.command import main

    sys.exit(main())
