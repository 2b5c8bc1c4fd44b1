"""Measures the gateway beside a bare proxy and other gateways. See README.md; `python -m benchmarks --help`."""
