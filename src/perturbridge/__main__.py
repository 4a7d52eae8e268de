"""`python -m perturbridge`."""

from __future__ import annotations

import sys

from perturbridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
