"""A child for `test_child`: says on standard error what it is told, and ends with 3 when it is told `end`."""

from __future__ import annotations

import sys

from stream.orders import Orders

if __name__ == "__main__":
    orders = Orders()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := orders.next_line():
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
        if line == "end":
            sys.exit(3)
