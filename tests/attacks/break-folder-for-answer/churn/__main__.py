"""Makes a folder of every name that it is told, and of those that a model's folder must hold."""

import os
import sys


def main(argv=None):
    arguments = list(sys.argv[1:] if argv is None else argv)
    for name in arguments:
        if name[0] not in "-/" and not os.path.exists(name):
            for inside in ("metrics.json", "split.csv", "model.joblib"):
                os.makedirs(os.path.join(name, inside), exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
