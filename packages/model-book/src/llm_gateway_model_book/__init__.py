"""Facts and prices of models, as data with a source and a date per entry."""

from .book import Book, BookEntry, shipped_book
from .names import LOCAL_PROVIDERS, family_of, spellings
from .page import models_page
from .reading import overlay_prices, read_facts, read_prices, written_facts, written_prices
from .unpriced import unpriced_kinds

__version__ = "0.1.0"

__all__ = [
    "LOCAL_PROVIDERS",
    "Book",
    "BookEntry",
    "family_of",
    "models_page",
    "overlay_prices",
    "read_facts",
    "read_prices",
    "shipped_book",
    "spellings",
    "unpriced_kinds",
    "written_facts",
    "written_prices",
]
