"""`python -m b2router`: the console script without a script."""

from b2router.cli import main

raise SystemExit(main())
