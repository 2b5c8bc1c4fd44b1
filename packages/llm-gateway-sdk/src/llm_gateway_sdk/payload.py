"""The bytes of one body together with their meaning, decoded when somebody first looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from .wire.freeing import Freeing

__all__ = ["Payload"]

T = TypeVar("T")


class Payload(Generic[T]):
    """`decode` is called at most once for `value`, and again for `pristine`, against which changes are judged.

    Whether a payload has changed is judged by comparison, not by access: a plugin may look without costing fidelity.
    """

    __slots__ = ("_decode", "_prepared", "_value", "replaced")

    def __init__(self, decode: Callable[[], T] | None, value: T | None = None) -> None:
        self._decode = decode
        self._value = value
        self._prepared: T | Exception | None = None
        self.replaced = decode is None
        """A whole new value was set, so that there are no bytes after it."""

    @property
    def opened(self) -> bool:
        """Whether it was decoded."""
        return self._value is not None

    @property
    def value(self) -> T:
        """The decoded value; raises what decoding raises."""
        if self._value is None:
            prepared = self._prepared
            if prepared is None:
                assert self._decode is not None
                self._value = self._decode()
            else:
                self._prepared = None
                if isinstance(prepared, Exception):
                    raise prepared
                self._value = prepared
        return self._value

    @value.setter
    def value(self, value: T) -> None:
        self._value = value

    def prepare(self) -> None:
        """Does the work of the first look ahead of it, so that it can be done in a thread (`heavy.run_aside`). To
        others the payload is as unopened as before, and what is wrong with the bytes is raised at the first look."""
        if self._value is None and self._prepared is None and self._decode is not None:
            try:
                self._prepared = self._decode()
                Freeing.note(self._prepared)
            except Exception as error:
                self._prepared = error

    def pristine(self) -> T:
        """What the bytes say, decoded anew."""
        if self._decode is None:
            raise ValueError("a payload without bytes has no pristine value")
        return self._decode()

    @property
    def changed(self) -> bool:
        """Whether the value differs from the bytes."""
        if self._value is None:
            return False
        return self._decode is None or self._value != self._decode()

    def before_change(self) -> T | None:
        """The bytes, decoded anew, where the value differs from them; None where it does not."""
        if self._value is None:
            return None
        before = self.pristine()
        return before if self._value != before else None
