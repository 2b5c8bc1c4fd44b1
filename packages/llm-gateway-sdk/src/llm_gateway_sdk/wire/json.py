"""The one place that chooses the JSON engine."""

from __future__ import annotations

import json as _stdlib
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from .freeing import Freeing
from .large_objects import may_set_ceiling, objects_of, peek_in_pieces
from .long_numbers import NumberTooLong, has_long_number
from .long_texts import LONG_BODY, Slicing, cut_out, put_back, put_back_written, read_text, refuse_large_texts
from .many_values import MANY_BYTES, Members, members_of, read_in_pieces
from .model_names import count_name, decode_named_top, models_named, names_two_in_pieces, spellings
from .pieces import decoded, encoded, joined, text_has_any
from .writing import written

__all__ = [
    "ARRAY",
    "JSON",
    "OBJECT",
    "STRING",
    "Count",
    "JSONObject",
    "Shape",
    "Slice",
    "dumps",
    "dumps_text",
    "first_byte",
    "has_duplicate_keys",
    "is_object",
    "loads",
    "loads_exact",
    "members_before",
    "members_from",
    "names_two_models",
    "peek",
    "peek_alone",
    "peek_ceiling",
    "picker",
    "reader",
    "refuse_absurd_values",
    "replace_top_level",
    "slices",
    "with_one",
]

JSON: TypeAlias = Any
"""Any value that JSON can hold."""
JSONObject: TypeAlias = dict[str, Any]
Slice: TypeAlias = msgspec.Raw
"""A piece of a JSON text, which `dumps` writes letter by letter. Compares by its letters."""

Shape: TypeAlias = msgspec.Struct
"""A class whose annotations are the members that an object has to have (`reader`). With `forbid_unknown_fields` in its
head it may have no others."""
Count = Annotated[int, msgspec.Meta(ge=0)]
"""A whole number that is not negative."""
Read = TypeVar("Read")

_BEYOND = LONG_BODY + 1
"""End of a slice that is empty where a text is not long: a slice costs less than a call of `len`."""
_MANY = MANY_BYTES + 1

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Top(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None


class _Nothing(msgspec.Struct):
    """Reads an object and keeps none of it."""


class _Config(msgspec.Struct, rename="camel"):
    max_output_tokens: int | None = None
    max_tokens: int | None = None
    candidate_count: int | None = None


class _Ceilings(msgspec.Struct):
    """Where the APIs say how long a reply may become, and how many replies there are."""

    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    generation_config: _Config | None = msgspec.field(default=None, name="generationConfig")
    inference_config: _Config | None = msgspec.field(default=None, name="inferenceConfig")


OBJECT, ARRAY, STRING = b'{["'
"""How the kinds of values begin, see `first_byte`."""
_SPACE = 32
_JUDGED_WHOLE = 64 * 1024
_BEYOND_WHOLE = _JUDGED_WHOLE + 1
_REFUSED = (UnicodeEncodeError, msgspec.DecodeError, RecursionError)
_skip = msgspec.json.Decoder(_Nothing).decode
_decode_top = msgspec.json.Decoder(_Top).decode
_decode_ceilings = msgspec.json.Decoder(_Ceilings).decode
_decode_slices = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def loads(data: bytes | bytearray | memoryview | str) -> JSON:
    """Parses a JSON text. Raises ValueError.

    The fast engine refuses lone-surrogate escapes (`"\\ud83d"`), which JavaScript clients do send when they cut a
    string inside a letter; those go to the standard library's parser. `NaN` and `Infinity` stay refused.
    """
    if data[MANY_BYTES:_MANY]:
        return _read_long(data)
    try:
        return _decode(data)
    except _REFUSED as error:
        return _read_otherwise(data, error)


def _read_long(data: bytes | bytearray | memoryview | str) -> JSON:
    """In slices, between which other threads have their turn, where that is worth while."""
    try:
        text = encoded(data) if isinstance(data, str) else data if isinstance(data, bytes) else joined([data])
    except UnicodeEncodeError:
        return _read(data)
    if has_long_number(text):
        raise NumberTooLong
    if text[LONG_BODY:_BEYOND]:
        rest, places = cut_out(text)
        if rest is not text:
            return put_back(loads(rest), [read_text(text, start, stop, loads) for start, stop in places])
    if Slicing.under_way:
        value = read_in_pieces(text, _read)
        if value is not None:
            Freeing.note(value)
            return value
    return _read(data)


def _read(data: bytes | bytearray | memoryview | str) -> JSON:
    """In one piece."""
    try:
        return _decode(data)
    except _REFUSED as error:
        return _read_otherwise(data, error)


def _read_otherwise(data: bytes | bytearray | memoryview | str, error: Exception) -> JSON:
    """Reads what the fast engine has refused. Raises ValueError where it is right."""
    if isinstance(error, RecursionError):
        raise ValueError("JSON is nested too deeply") from None
    if isinstance(error, UnicodeEncodeError):  # half a letter as it is, in a text that was itself a value of JSON
        return _read_half_letters(str(data))
    text = data if isinstance(data, str) else decoded(data)
    if not text_has_any(text, "\\u"):
        raise ValueError(str(error)) from None
    return _read_half_letters(text)


def _read_half_letters(text: str) -> JSON:
    try:
        return _stdlib.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def refuse_absurd_values(data: bytes) -> None:
    """Raises NumberTooLong or TextTooLarge where `loads` would because of a number or a string in a JSON text, or in
    one of several lines of JSON; the latter names its place."""
    if has_long_number(data):
        raise NumberTooLong
    refuse_large_texts(data, loads)


def loads_exact(data: bytes | str) -> JSON:
    """Parses like `loads`, but keeps each number that is not a small integer as it was written.

    Such numbers come back as raw slices, good for `dumps` only: `1e5`, `1.0` and `-0` are written again letter by
    letter.
    """
    if Slicing.under_way and data[MANY_BYTES:_MANY]:
        try:
            text = encoded(data) if isinstance(data, str) else data
        except UnicodeEncodeError:
            return _read_exact(data)
        if text[LONG_BODY:_BEYOND]:
            rest, places = cut_out(text)
            if rest is not text:
                return put_back(loads_exact(rest), [read_text(text, start, stop, loads) for start, stop in places])
        value = read_in_pieces(text, _read_exact)
        if value is not None:
            Freeing.note(value)
            return value
    return _read_exact(data)


def _read_exact(data: bytes | str) -> JSON:
    try:
        return _stdlib.loads(data, parse_float=_raw, parse_int=_exact_int, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def has_duplicate_keys(data: bytes | str) -> bool:
    """Whether an object in a JSON text has a key twice. Raises ValueError where it is not valid JSON.

    The readers of this module take the last of them, as most do, but not all.
    """
    found = False

    def look(pairs: list[tuple[str, JSON]]) -> None:
        nonlocal found
        if not found and len(dict(pairs)) < len(pairs):
            found = True

    try:
        _stdlib.loads(data, object_pairs_hook=look, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    return found


def dumps(value: JSON) -> bytes:
    """Writes compact UTF-8 JSON. Raises TypeError or ValueError for what JSON cannot hold."""
    if Slicing.under_way:
        Freeing.note(value)
        return joined(written(value, _write, _spelled))
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _write_half_letters(value)


def _write(value: JSON) -> bytes:
    """In one piece."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _write_half_letters(value)


def _write_half_letters(value: JSON) -> bytes:
    """Lone surrogates can only be written as escapes."""
    return _stdlib.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain).encode()


def dumps_text(value: JSON) -> str:
    """Like `dumps`, as text."""
    return decoded(dumps(value))


def peek(data: bytes) -> tuple[str | None, bool]:
    """Reads `model` and `stream` from the top level of an object without building the rest.

    Raises ValueError where `data` is not a valid JSON object or one of the two has another type.
    """
    if data[LONG_BODY:_BEYOND]:
        data, _ = cut_out(data)
        if data[LONG_BODY:_BEYOND] and (members := _members_of(data)) is not None:
            return peek_in_pieces(objects_of(data, members), _read_otherwise)
    try:
        top = _decode_top(data)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = loads(data)
        if not isinstance(body, dict):
            raise ValueError("Expected a JSON object") from None
        model, stream = body.get("model"), body.get("stream")
        if not isinstance(model, str | None) or not isinstance(stream, bool | None):
            raise ValueError("`model` must be a string and `stream` a boolean") from None
        return model, bool(stream)
    return top.model, bool(top.stream)


def peek_alone(data: bytes) -> tuple[str | None, bool, bool]:
    """What `peek` reads, and whether the object names no other model that another reader may take for the one: a second
    `model`, or one in capitals. The answer costs next to nothing while the object is read."""
    if data[LONG_BODY:_BEYOND]:
        data, _ = cut_out(data)
        if data[LONG_BODY:_BEYOND] and (members := _members_of(data)) is not None:
            model, stream = peek_in_pieces(objects_of(data, members), _read_otherwise)
            return model, stream, not names_two_in_pieces(objects_of(data, members))
    before = count_name()
    try:
        top = decode_named_top(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return (*peek(data), False)
    # Another thread may count in between; then the answer is not sure.
    names, model = count_name() - before - 1, top.model
    if not names:
        return None, bool(top.stream), True
    if names == 1 and model is not None:
        return str(model), bool(top.stream), True
    return (*peek(data), False)


def names_two_models(data: bytes) -> bool:
    """Whether the top level of an object has a second `model`, or one in capitals."""
    if data[LONG_BODY:_BEYOND]:
        data, _ = cut_out(data)
        if data[LONG_BODY:_BEYOND] and (members := _members_of(data)) is not None:
            return names_two_in_pieces(objects_of(data, members))
    names = count_name()
    try:
        top = decode_named_top(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        many, is_named = models_named(data)
        return many > is_named
    # Another thread may count in between: then the object is only written again.
    return count_name() - names - 1 > (top.model is not None)


def peek_ceiling(data: bytes) -> int | None:
    """The most output tokens that a request to a chat API allows, over all its replies; None where it sets none, or
    nothing that can be read."""
    if data[LONG_BODY:_BEYOND]:
        data, _ = cut_out(data)
        if data[LONG_BODY:_BEYOND] and (members := _members_of(data)) is not None:
            small = [each for each in members if may_set_ceiling(data, each)]
            data = b"{" + b",".join([data[each.start : each.end] for each in small]) + b"}"
    try:
        top = _decode_ceilings(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    count = top.n
    limits: tuple[int | None, ...] = (top.max_tokens, top.max_completion_tokens, top.max_output_tokens)
    for config in (top.generation_config, top.inference_config):
        if config is not None:
            limits += (config.max_output_tokens, config.max_tokens)
            count = count or config.candidate_count
    most = -1
    for number in limits:
        if number is not None and number > most:
            most = number
    if most < 0:
        return None
    return most * count if count is not None and count > 1 else most


def picker(*names: str) -> Callable[[bytes], JSONObject | None]:
    """A function that reads these fields from the top level of an object without building the rest.

    A field that is not there is None; None in place of all of them means that it was not a valid JSON object.
    """
    decode = msgspec.json.Decoder(msgspec.defstruct("Picked", [(name, Any, None) for name in names])).decode

    def pick(data: bytes) -> JSONObject | None:
        try:
            return msgspec.structs.asdict(decode(data))
        except msgspec.ValidationError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            body = loads(data)
        except ValueError:
            return None
        return {name: body.get(name) for name in names} if isinstance(body, dict) else None

    return pick


def reader(shape: type[Read]) -> Callable[[bytes], Read | None]:
    """A function that reads a JSON text into a `Shape`; None where it is not valid, or has another shape."""
    decode = msgspec.json.Decoder(shape).decode

    def read(data: bytes) -> Read | None:
        try:
            return decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    return read


def members_before(data: bytes, name: str) -> tuple[JSONObject, int] | None:
    """What is in an object before its field `name`, and where that field begins; None where nothing does.

    The bytes up to there are whole members of the top level, so whatever object begins with the same bytes has the same
    members, and what follows makes its own object when a brace is set before it.
    """
    place = data.find(b'"' + name.encode() + b'":')
    head = data[:place].rstrip() if place > 0 else b""
    if head[-1:] != b",":
        return None
    try:
        # Inside of a nested value or a string, a brace at the end would not make it whole.
        members = loads(head[:-1] + b"}")
    except ValueError:
        return None
    return (members, place) if isinstance(members, dict) else None


def members_from(data: bytes, name: str) -> JSONObject | None:
    """What is in an object from its last field `name` on; None where that is not a field of its top level.

    `data` must end where the object does. After a nested field there would be a brace too many.
    """
    place = data.rfind(b'"' + name.encode() + b'"')
    if place < 0:
        return None
    try:
        members = loads(b"{" + data[place:])
    except ValueError:
        return None
    return members if isinstance(members, dict) else None


def is_object(data: bytes) -> bool:
    """Whether `data` is one whole JSON object. A large one is judged by its two ends alone, where a cut would show."""
    if data[_JUDGED_WHOLE:_BEYOND_WHOLE]:
        return data[:64].lstrip()[:1] == b"{" and data[-64:].rstrip()[-1:] == b"}"
    try:
        _skip(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return isinstance(loads(data), dict)
        except ValueError:
            return False
    return True


def replace_top_level(data: bytes, changes: dict[str, JSON]) -> bytes:
    """Writes an object again with some top-level values replaced, the others copied as slices of bytes.

    A value of None removes the key; a key that was not there is appended. Raises ValueError for anything but an object.
    """
    if data[LONG_BODY:_BEYOND]:
        rest, places = cut_out(data)
        if rest is not data:
            return put_back_written(replace_top_level(rest, changes), data, places)
    is_large = Slicing.under_way and data[LONG_BODY:_BEYOND]
    slices = _entries_of_large(data) if is_large else _entries_of(data)
    for key, value in changes.items():
        if value is None:
            slices.pop(key, None)
        else:
            slices[key] = value
    return dumps(slices)


def with_one(data: bytes, name: str) -> bytes:
    """The object with at most one member of that name at its top level, the last, and none that differs from it in
    capitals only. The same bytes where that is so already and nothing is between the members, or where `data` is not a
    JSON object."""
    if data[LONG_BODY:_BEYOND]:
        rest, places = cut_out(data)
        if rest is not data:
            changed = with_one(rest, name)
            return data if changed is rest else put_back_written(changed, data, places)
    try:
        is_large = Slicing.under_way and data[LONG_BODY:_BEYOND]
        members = _entries_of_large(data) if is_large else _entries_of(data)
    except ValueError:
        return data
    others = spellings(name)
    for key in [key for key in members if key in others]:
        del members[key]
    written = dumps(members)
    return data if len(written) == len(data) else written


def slices(data: bytes | Slice) -> dict[str, Slice] | list[Slice] | None:
    """The members of an object or the items of an array, each as it is written; None for any other value.

    Raises ValueError where `data` is not valid JSON.
    """
    kind = first_byte(data)
    try:
        if kind == OBJECT:
            return _decode_slices(data)
        if kind == ARRAY:
            return _decode_items(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = loads_exact(bytes(data))
        if isinstance(value, dict):
            return {key: Slice(dumps(one)) for key, one in value.items()}
        if isinstance(value, list):
            return [Slice(dumps(one)) for one in value]
    return None


# Large texts, in pieces between which other threads have their turn.


def _members_of(data: bytes) -> list[Members] | None:
    """What a large text has at its top level; None where it is to be read as a whole."""
    return members_of(data, _check) if Slicing.under_way else None


def _check(data: bytes) -> None:
    """Raises ValueError where a JSON text is not valid."""
    try:
        _skip(b'{"":%b}' % data)
    except _REFUSED as error:
        _read_otherwise(data, error)


def _entries_of_large(data: bytes) -> dict[str, Any]:
    """The members of an object, each as it is written. Raises ValueError where it is none."""
    members = _members_of(data)
    if members is None:
        return _entries_of(data)
    if first_byte(data) != OBJECT:
        raise ValueError("Expected a JSON object")
    entries: dict[str, Any] = {}
    whole = memoryview(data)
    for each in members:
        if each.value < 0:
            entries |= _entries_of(b"{%b}" % data[each.start : each.end])
        else:
            (key,) = loads(b"{%b0}" % data[each.start : each.value])
            entries[key] = Slice(whole[each.value : each.end])
    return entries


def _entries_of(data: bytes) -> dict[str, Any]:
    try:
        return dict(_decode_slices(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = loads_exact(data)
        if not isinstance(value, dict):
            raise ValueError("Expected a JSON object") from None
        return value


def first_byte(data: bytes | Slice) -> int:
    """The first byte that is not white space, which decides what kind of value a JSON text is; 0 where there is
    none."""
    view = memoryview(data)
    for byte in view:
        if byte > _SPACE:
            return int(byte)
    return 0


def _spelled(value: object) -> memoryview | None:
    return memoryview(value) if isinstance(value, msgspec.Raw) else None


def _raw(lexeme: str) -> msgspec.Raw:
    return msgspec.Raw(lexeme.encode())


def _exact_int(lexeme: str) -> int | msgspec.Raw:
    return msgspec.Raw(lexeme.encode()) if lexeme == "-0" else int(lexeme)


def _finite(lexeme: str) -> float:
    number = float(lexeme)
    if number in (float("inf"), float("-inf")):
        raise ValueError("Number out of range")
    return number


def _refuse_constant(name: str) -> JSON:
    raise ValueError(f"{name} is not JSON")


def _plain(value: object) -> JSON:
    if isinstance(value, msgspec.Raw):
        return _stdlib.loads(bytes(value))
    raise TypeError(f"{type(value).__name__} is not JSON serialisable")
