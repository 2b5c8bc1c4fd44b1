"""What the pages of the console count, and where each number leads: read from their HTML alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Claim", "Node", "claims", "counts", "parsed"]

_EMPTY = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_NUMBER = re.compile(r"(?<![\w.,])(\d[\d,]*(?:\.\d[kMG])?)(?![\w.,%])")
_LINK = re.compile(
    rf"(?:(?:all|active|unused|expired|revoked) )?{_NUMBER.pattern}(?: (request|interaction|key|failed)s?)?",
    re.IGNORECASE,
)
_UNITS = {"Errors": "requests", "Refused or failed": "requests", "Failed": "requests"}
"""Columns and tiles that count requests of one kind: their link leads to those."""


@dataclass(slots=True)
class Node:
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(" ".join(each if isinstance(each, str) else each.text for each in self.children).split())

    def all(self, name: str, look: str = "") -> Iterator[Node]:
        """Elements of this name (and class) within this one, in the order of the page."""
        for each in self.children:
            if isinstance(each, str):
                continue
            if each.name == name and (not look or look in each.attributes.get("class", "").split()):
                yield each
            yield from each.all(name, look)

    def first(self, name: str, look: str = "") -> Node | None:
        return next(self.all(name, look), None)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("page")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in _EMPTY:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        while len(self.open) > 1 and self.open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(html: str) -> Node:
    builder = _Builder()
    builder.feed(html)
    return next(builder.open[0].all("main"), builder.open[0])


@dataclass(slots=True, frozen=True)
class Claim:
    """A number of a page, and the address that is to have as many."""

    place: str
    href: str
    unit: str
    number: str


def counts(page: Node) -> dict[str, str]:
    """What a page states that it shows, by unit: `requests`, `interactions`, `keys`, `sessions`, `changes`."""
    found: dict[str, str] = {}
    if (total := page.first("small")) is not None and (match := re.match(r"(\S+) found", total.text)):
        heading = page.first("h1")
        assert heading is not None
        found[heading.text.split()[0].lower()] = match[1]
        if match := re.search(r"(\S+) requests?$", total.text):
            found["requests"] = match[1]
    for tile in (*page.all("a", "tile"), *page.all("div", "tile")):
        title, value = tile.first("h2"), tile.first("p", "value")
        if title is not None and value is not None and title.text == "Requests":
            found["requests"] = value.text
    for line in page.all("p"):
        if match := re.match(r"([\d,]+) (key|change)s?(?:$|,)", line.text):
            found[f"{match[2]}s"] = match[1]
    for heading in page.all("h2"):
        if heading.text == "Request" or re.match(r"\d+ requests$", heading.text):
            found["requests"] = heading.text.split()[0].replace("Request", "1")
    return found


def claims(page: Node) -> list[Claim]:
    """Every number of a page that is a link, or to which the link of its tile or row belongs."""
    found = [claim for tile in page.all("a", "tile") for claim in _of_tile(tile)]
    for table in page.all("table"):
        found += _of_figures(table) if "figures" in table.attributes.get("class", "") else _of_table(table)
    taken = {(claim.href, claim.number) for claim in found}
    for link in page.all("a"):
        href, match = link.attributes.get("href", ""), _LINK.fullmatch(link.text)
        if match is not None and (href, match[1]) not in taken:
            unit = "keys" if href.partition("?")[0].endswith("/keys") else f"{match[2] or 'request'}s"
            found.append(Claim(link.text, href, unit.replace("faileds", "requests"), match[1]))
    return found


def _of_tile(tile: Node) -> Iterator[Claim]:
    title, value, note = tile.first("h2"), tile.first("p", "value"), tile.first("p", "note")
    assert title is not None
    assert value is not None
    href = tile.attributes["href"]
    if title.text in ("Requests", *_UNITS) and "%" not in value.text:
        yield Claim(f"tile {title.text}", href, "requests", value.text)
    words = note.text if note else ""
    for number, unit in re.findall(r"(\S+) (interactions|requests)\b(?! without| estimated)", words):
        yield Claim(f"tile {title.text}: {unit}", href, unit, number)


def _of_figures(table: Node) -> Iterator[Claim]:
    """The table of a chart that counts: a bar leads to what it counts, the moment to all of it."""
    (heads, *rows) = [[cell for cell in row.children if isinstance(cell, Node)] for row in table.all("tr")]
    names = [head.text for head in heads[1:]]
    if not set(names) <= {"ok", "refused", "errors", "cancelled"}:
        return
    for first, *cells in rows:
        linked = [(name, cell, cell.first("a")) for name, cell in zip(names, cells, strict=True)]
        for name, cell, link in linked:
            if link is not None:
                yield Claim(f"chart {name} {first.text}", link.attributes["href"], "requests", cell.text)
        if (moment := first.first("a")) is not None:
            whole = sum(int(cell.text.replace(",", "")) for cell in cells)
            yield Claim(f"chart {first.text}", moment.attributes["href"], "requests", f"{whole:,}")


def _of_table(table: Node) -> list[Claim]:
    """Numbers that are links, and the number of requests of what a row is named by."""
    (heads, *rows) = [[cell for cell in row.children if isinstance(cell, Node)] for row in table.all("tr")]
    names = [head.text.rstrip(" ↓↑") for head in heads]
    found: list[Claim] = []
    by_row: dict[str, list[int]] = {}
    for cells in rows:
        if len(cells) != len(names):
            continue
        for name, cell in zip(names, cells, strict=True):
            link = cell.first("a")
            if link is not None and (match := _NUMBER.fullmatch(link.text)):
                unit = _UNITS.get(name, name.lower())
                found.append(Claim(f"{name} of {cells[0].text}", link.attributes["href"], unit, match[1]))
        named = cells[0].first("a") or next(
            (a for cell in cells for a in cell.all("a") if "data-row" in a.attributes), None
        )
        if named is not None and "Requests" in names:
            number = _NUMBER.match(cells[names.index("Requests")].text)
            if number is not None and "." not in number[1]:
                by_row.setdefault(named.attributes["href"], []).append(int(number[1].replace(",", "")))
    found += [Claim(f"row {href}", href, "requests", f"{sum(numbers):,}") for href, numbers in by_row.items()]
    return found
