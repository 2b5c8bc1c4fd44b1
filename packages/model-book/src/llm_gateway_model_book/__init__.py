"""Facts and prices of models, as data with a source and a date per entry."""

from .book import Book, BookEntry, shipped_book
from .names import LOCAL_PROVIDERS, family_of, spellings
from .reading import read_facts, read_prices

__version__ = "0.1.0"

__all__ = [
    "LOCAL_PROVIDERS",
    "Book",
    "BookEntry",
    "family_of",
    "read_facts",
    "read_prices",
    "shipped_book",
    "spellings",
]
