"""Measures the gateway next to a bare proxy and other gateways. See README.md; `python -m benchmarks --help`."""
