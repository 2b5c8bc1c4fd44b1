"""What one look through the bytes of a request shows, where nothing else of it is read.

A body that passes through has to be looked through for two things: signatures that the gateway wrapped, which have to
be unwrapped, and a second `model`, which another reader may take for the one. Both begin with a quotation mark, so that
one search finds both, in two thirds of the time that two take.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from llm_gateway_sdk.wire.pieces import PIECE_BYTES

from .signed_reasoning import has_wrapped

__all__ = ["BodySigns", "may_name_two_models", "signs_of"]


class BodySigns(NamedTuple):
    has_wrapped: bool
    """It has signatures that the gateway wrapped."""
    may_name_two_models: bool
    """Another reader may take a second `model` that was not looked at."""


def signs_of(body: bytes) -> BodySigns:
    if body[PIECE_BYTES : PIECE_BYTES + 1]:
        return BodySigns(has_wrapped(body), may_name_two_models(body))
    # In a small body three searches for bytes take half of what the expression does.
    is_small = not body[_SMALL:_BEYOND_SMALL] and _BACKSLASH not in body
    if is_small and body.find(b'"gw1.') < 0 and body.find(b'"Z3cxL') < 0 and body.lower().count(b'"model"') == 1:
        return _ONE_MODEL
    found = _SIGNS.findall(body)
    if len(found) == 1 and len(found[0]) == _MODEL_SIGN and _BACKSLASH not in body:
        return _ONE_MODEL
    models = sum(len(sign) == _MODEL_SIGN for sign in found)
    return BodySigns(models < len(found), models > 1 or _has_escaped_letters(body))


def may_name_two_models(body: bytes) -> bool:
    """Whether another reader may take a second `model` that was not looked at: the first of two, one in capitals, or
    one that is written with escapes."""
    if body[_LARGE : _LARGE + 1] or _has_escaped_letters(body):
        return True
    return len(_MODEL.findall(body)) > 1


def _has_escaped_letters(body: bytes) -> bool:
    return _BACKSLASH in body and _ESCAPED_LETTER.search(body) is not None


_ONE_MODEL = BodySigns(False, False)
"""What nearly all bodies show."""
_BACKSLASH = 0x5C
_SMALL = 16 * 1024
_BEYOND_SMALL = _SMALL + 1
_ESCAPED_LETTER = re.compile(rb"\\u00[46]")
_MODEL = re.compile(rb'"[mM][oO][dD][eE][lL]"')
_SIGNS = re.compile(rb'"(?:gw1\.|Z3cxL|[mM][oO][dD][eE][lL]")')
_MODEL_SIGN = len(b'"model"')
_LARGE = 512 * 1024
"""Bytes of a body that is not searched for a second one, but written anew."""
