"""`python -m scenarios` from `tests/` plays scenarios; `--page` writes docs/scenarios.md."""

import sys

from scenarios.runner import main

sys.exit(main())
