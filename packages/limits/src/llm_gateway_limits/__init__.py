"""Rates, token limits, budgets and concurrency: who may spend what, over any number of gateways."""

from .plugin import Limits

__version__ = "0.1.0"

__all__ = ["Limits"]
