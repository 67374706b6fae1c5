"""`python -m scenarios` from `tests/` plays everything and writes docs/scenarios.md; with arguments, some of it."""

import sys

from scenarios.runner import main

sys.exit(main())
