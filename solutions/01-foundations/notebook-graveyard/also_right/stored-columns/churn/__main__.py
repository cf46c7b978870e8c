"""The command line: ``python -m churn train`` and ``python -m churn predict``."""

import sys

from churn.commands import main

if __name__ == "__main__":
    sys.exit(main())
