"""`python -m envforge`: the same as the `envforge` script."""

from envforge.hot import main

raise SystemExit(main())
