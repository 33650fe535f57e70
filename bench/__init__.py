"""The benchmarks: `python -m bench --help`, `make bench`, `tagstream bench`."""
