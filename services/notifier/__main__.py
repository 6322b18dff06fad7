"""`python -m services.notifier` is `chipwire run notifier`."""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.argv[1:1] = ["run", "notifier"]
    runpy.run_module("services", run_name="__main__")  # by name: a service knows nothing of the command line
