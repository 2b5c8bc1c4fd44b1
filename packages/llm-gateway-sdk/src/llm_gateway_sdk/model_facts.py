"""What a model takes and what it costs: the types. The data is in the distribution `llm-gateway-model-book`; the
gateway joins both with the configuration, once per model name, and hands them to dialects, plugins and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

__all__ = ["Band", "ModelFacts", "Prices", "Rates", "Sampling", "ThinkingMode", "TokenCounts", "tier_of"]

Sampling = Literal["all", "one", "none"]
ThinkingMode = Literal["budget", "adaptive", "effort", "always", "off"]

MILLION = 1_000_000


@dataclass(slots=True, frozen=True, kw_only=True)
class ModelFacts:
    """Facts about one model. None, for any of them, is unknown."""

    name: str
    """The name that the model's own vendor gives it, without a date."""
    vendor: str = ""
    """Who made it: `anthropic`, `openai`, `google`, …"""
    family: str = ""
    """The line of models that it belongs to: `claude-opus`, `gpt`, `gemini-flash`, …"""
    context_window: int | None = None
    """Tokens of a conversation, answer included where the vendor counts so."""
    max_output: int | None = None
    """The most tokens of one answer, reasoning included."""
    endpoints: frozenset[str] | None = None
    """APIs of the vendor's that serve it: `chat`, `responses`, `messages`, `generateContent`, `converse`, `embeddings`,
    `rerank`, `images`, `speech`, `transcriptions`, `realtime`, …"""
    input: frozenset[str] | None = None
    """Kinds of input: `text`, `image`, `audio`, `video`, `pdf`."""
    output: frozenset[str] | None = None
    """Kinds of output: `text`, `image`, `audio`, `video`, `embedding`."""
    sampling: Sampling | None = None
    """Whether temperature, top_p and top_k are taken: all, one of them at a time, or none."""
    penalties: bool | None = None
    """Frequency and presence penalties and log probabilities."""
    stop: bool | None = None
    """Stop sequences."""
    thinking: frozenset[ThinkingMode] | None = None
    """How reasoning is asked for: by a token `budget`, `adaptive`, by an `effort`; `always` where it can't be switched
    off, `off` where it can. Empty: the model does not reason."""
    tools: bool | None = None
    """Calls of tools."""
    forced_tools: bool | None = None
    """A tool can be forced."""
    parallel_tools: bool | None = None
    """Several calls of tools in one turn."""
    structured: bool | None = None
    """Answers by a JSON schema, guaranteed by the vendor."""
    strict_tools: bool | None = None
    """Arguments of tools by their JSON schema, guaranteed by the vendor."""
    prefill: bool | None = None
    """The conversation may end with a turn of the assistant's, which the model continues."""
    caching: bool | None = None
    """Prompt caching."""
    retires: str | None = None
    """The day (YYYY-MM-DD) from which the vendor may refuse it."""
    successor: str | None = None
    """What the vendor recommends in its place."""
    assumed_from: str | None = None
    """The name itself is unknown; these are the facts of this other model, the newest of its family."""
    source: str = ""
    """The page where the facts were read, or `configuration`."""
    checked: str = ""
    """The day on which they were read (YYYY-MM-DD)."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Rates:
    """Nano-dollars (US) per million tokens, as integers: 3 USD per million tokens is 3_000_000_000. None is unknown."""

    input: int | None = None
    """Text that is read, and all input without a separate rate."""
    output: int | None = None
    """Text that is written, reasoning included."""
    cache_read: int | None = None
    """Input that comes from the vendor's cache."""
    cache_write: int | None = None
    """For five minutes, or for the only time that the vendor has."""
    cache_write_1h: int | None = None
    """For an hour."""
    input_audio: int | None = None
    """Sound that is heard."""
    output_audio: int | None = None
    """Sound that is made."""
    cache_read_audio: int | None = None
    """Sound that comes from the cache."""
    input_image: int | None = None
    """Images that are seen."""
    output_image: int | None = None
    """Images that are made."""

    def over(self, base: Rates) -> Rates:
        """These rates, completed by those of `base`."""
        return Rates(**{
            each.name: getattr(base, each.name) if getattr(self, each.name) is None else getattr(self, each.name)
            for each in fields(Rates)
        })  # fmt: skip


@dataclass(slots=True, frozen=True)
class Band:
    """Rates of requests whose input, cache included, has more than `above` tokens."""

    above: int
    """Tokens."""
    rates: Rates
    """Of the whole request, not only of what is above."""


@dataclass(slots=True, kw_only=True)  # not frozen: one is made for each request, and freezing costs a call per field
class TokenCounts:
    """What is paid for. As in `Usage`: `input` includes what was read from and written to a cache and what is audio or
    images, `output` includes reasoning. None is unknown."""

    input: int | None = None
    """All input."""
    output: int | None = None
    """All output."""
    cache_read: int | None = None
    """Input that came from a cache."""
    cache_read_audio: int | None = None
    """Those of `cache_read` that are sound."""
    cache_read_image: int | None = None
    """Those of `cache_read` that are images."""
    cache_write: int | None = None
    """All writes."""
    cache_write_1h: int | None = None
    """Those of `cache_write` that are kept for an hour."""
    input_audio: int | None = None
    """Those of `input` that are sound."""
    output_audio: int | None = None
    """Those of `output` that are sound."""
    input_image: int | None = None
    """Those of `input` that are images."""
    output_image: int | None = None
    """Those of `output` that are images."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """What is charged by the piece, by the kinds of `Prices.calls`."""
    requests: int = 1
    """How many requests these counts add up; prices of long inputs go by the input of one, so that all of them are on
    the same side of each threshold."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Prices:
    """What a model costs. All amounts are integers in nano-dollars, so that sums are exact."""

    tiers: Mapping[str, tuple[Band, ...]] = field(default_factory=dict)
    """By service tier: `standard`, `batch`, `flex`, `priority`, `ultrafast`. Bands go up; the first is above 0."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """Nano-dollars by the piece: per call of one of the vendor's own tools (`web_search`, `file_search`), per `image`
    and `song` that is made, per `search_unit` of a reranker, per `page` that is read, per `second` of sound that is
    heard and per `session_second` of a realtime session, per `character` that is spoken. A model with no other price
    charges nothing for tokens."""
    assumed_from: str | None = None
    """The price of this other model, because the name itself is unknown."""
    source: str = ""
    """The page where the prices were read, or `configuration`."""
    checked: str = ""
    """The day on which they were read (YYYY-MM-DD)."""

    def rates(self, input_tokens: int = 0, tier: str | None = None) -> Rates | None:
        """The rates of a request with so many input tokens; None where the model has no price in this tier."""
        return _rates_in(self.tiers.get(tier_of(tier)), input_tokens)

    def threshold(self, input_tokens: int) -> int:
        """The highest input that such a request has more than, of those from which on some tier has other rates; 0
        where it passes none. Counts of requests that pass the same one may be added up."""
        found = 0
        for bands in self.tiers.values():
            for band in bands:
                if found < band.above < input_tokens:
                    found = band.above
        return found

    def cost(self, counts: TokenCounts, tier: str | None = None, unpriced: list[str] | None = None) -> int | None:
        """Nano-dollars, rounded up once; None where a count or the price of a kind that was used is unknown.

        With a list as `unpriced` kinds without a price are added to it, by their names in `Rates` and `calls`. Tokens
        of such a kind then cost what plain tokens do, and pieces nothing.
        """
        if counts.input is None or counts.output is None:
            return None
        rates = self.rates(counts.input // max(1, counts.requests), tier)
        if rates is None:
            if self.tiers or not self.calls:
                return None
            rates = _FREE
        read, written, long_kept = counts.cache_read or 0, counts.cache_write or 0, counts.cache_write_1h or 0
        heard, spoken = counts.input_audio or 0, counts.output_audio or 0
        # Most vendors charge images like text; those that do not have a rate for them.
        seen = (counts.input_image or 0) if rates.input_image is not None else 0
        drawn = (counts.output_image or 0) if rates.output_image is not None else 0
        cached_sound = cached_sight = 0
        if (heard or seen) and (read or written):
            cached_sound, cached_sight, both = _overlaps(counts, read, written, heard, seen)
            read, written, heard, seen = read - cached_sound, written - both, heard - cached_sound, seen - cached_sight
        total = 0
        for kind, tokens, rate in (
            ("input", counts.input - read - cached_sound - written - heard - seen, rates.input),
            ("output", counts.output - spoken - drawn, rates.output),
        ):
            if tokens > 0:
                if rate is not None:
                    total += tokens * rate
                elif unpriced is None:
                    return None
                else:
                    unpriced.append(kind)
        if read or cached_sound or written or long_kept or heard or seen or spoken or drawn:
            sound_rate = rates.cache_read if rates.cache_read_audio is None else rates.cache_read_audio
            special = (
                ("cache_read", read, rates.cache_read, rates.input),
                ("cache_read_audio", cached_sound, sound_rate, rates.input_audio or rates.input),
                ("cache_write", max(0, written - long_kept), rates.cache_write, rates.input),
                ("cache_write_1h", long_kept, rates.cache_write_1h, rates.input),
                ("input_audio", heard, rates.input_audio, rates.input),
                ("input_image", seen, rates.input_image, rates.input),
                ("output_audio", spoken, rates.output_audio, rates.output),
                ("output_image", drawn, rates.output_image, rates.output),
            )
            for kind, tokens, rate, plain in special:
                if tokens:
                    if rate is not None:
                        total += tokens * rate
                    elif unpriced is None:
                        return None
                    else:
                        unpriced.append(kind)
                        total += tokens * (plain or 0)
        nanos = -(-total // MILLION)
        if counts.calls:
            by_piece = self._cost_of_pieces(counts, rates, unpriced)
            return None if by_piece is None else nanos + by_piece
        return nanos

    def _cost_of_pieces(self, counts: TokenCounts, rates: Rates, unpriced: list[str] | None) -> int | None:
        total = 0
        for kind, number in counts.calls.items():
            price, by_token = self.calls.get(kind), _rate_in_place_of(kind, counts, rates)
            if not number or (by_token is not None and (by_token or price is None)):
                continue  # its tokens are charged
            if price is not None:
                total += number * price
            elif rates != _FREE:
                if unpriced is None:
                    return None
                unpriced.append(kind)
        return total

    def ceiling(
        self, input_tokens: int, output_tokens: int, tier: str | None = None, pieces: Mapping[str, int] | None = None
    ) -> int | None:
        """The most nano-dollars that so many tokens can cost, whatever of them is cached, sound or images, and so many
        `pieces` of the kinds of `calls`; None where unknown. Without a tier, that of the dearest one: which tier serves
        a request is not certain before it is answered."""
        by_piece = sum(number * self.calls.get(kind, 0) for kind, number in pieces.items()) if pieces else 0
        if not self.tiers and self.calls:
            return by_piece
        names = [tier_of(tier)] if tier is not None else self.tiers
        found: int | None = None
        for name in names:
            if name == "batch" and tier is None:
                continue
            rates = _rates_in(self.tiers.get(name), input_tokens)
            if rates is None or rates.input is None:
                continue
            spoken, drawn = rates.output_audio, rates.output_image
            if output_tokens and rates.output is None and spoken is None and drawn is None:
                continue
            dearest_in = max(rates.input, rates.cache_write or 0, rates.cache_write_1h or 0)
            dearest_out = rates.output or 0
            if spoken is not None or drawn is not None:
                dearest_out = max(dearest_out, spoken or 0, drawn or 0)
            total = input_tokens * dearest_in + output_tokens * dearest_out
            nanos = -(-total // MILLION) + by_piece
            found = nanos if found is None else max(found, nanos)
        return found

    def flat_ceiling(self) -> tuple[int, int] | None:
        """Nano-dollars per million tokens of input and of output, by which `ceiling` goes for any number of tokens
        without pieces; None where it is not as simple: no tier is the dearest for both, or a long input costs more."""
        found = []
        for name, bands in self.tiers.items():
            if name == "batch":
                continue
            if len(bands) != 1:
                return None
            rates = bands[0].rates
            if rates.input is None or rates.output is None:
                return None
            dearest_in = max(rates.input, rates.cache_write or 0, rates.cache_write_1h or 0)
            found.append((dearest_in, max(rates.output, rates.output_audio or 0, rates.output_image or 0)))
        dearest = max(found, default=None)
        if dearest is None or any(each[1] > dearest[1] for each in found):
            return None
        return dearest


def _overlaps(counts: TokenCounts, read: int, written: int, heard: int, seen: int) -> tuple[int, int, int]:
    """How much of the sound, and of the images, came from the cache, and how much of either was written to it: what is
    reported, and what can't be otherwise because the parts together are more than the input. No token is charged
    twice; what was written is charged as what it is."""
    sound = min(counts.cache_read_audio or 0, heard, read)
    sight = min(counts.cache_read_image or 0, seen, read - sound)
    twice = max(0, read + written + heard + seen - sound - sight - (counts.input or 0))
    more_sound = min(twice, heard - sound, read - sound - sight)
    more_sight = min(twice - more_sound, seen - sight, read - sound - sight - more_sound)
    return sound + more_sound, sight + more_sight, min(written, twice - more_sound - more_sight)


_FREE = Rates(**{each.name: 0 for each in fields(Rates)})


def _rate_in_place_of(kind: str, counts: TokenCounts, rates: Rates) -> int | None:
    """What a token costs of a kind of piece that some vendors count in tokens; None where none were counted."""
    match kind:
        case "image":
            rate = rates.output if rates.output_image is None else rates.output_image
            return rate if counts.output_image or counts.output else None
        case "character":
            rate = rates.output if rates.output_audio is None else rates.output_audio
            return rate if counts.output_audio or counts.output else None
        case "second":
            if rates.input_audio is not None:
                return rates.input_audio if counts.input_audio else None
            return rates.input if counts.input else None
        case "search_unit":
            return rates.input if counts.input else None
        case "session_second":
            return rates.input
    return None


def _rates_in(bands: tuple[Band, ...] | None, input_tokens: int) -> Rates | None:
    if not bands:
        return None
    found = bands[0].rates
    for band in bands[1:]:
        if input_tokens > band.above:
            found = band.rates
    return found


_TIERS: Mapping[str, str] = {
    "": "standard",
    "auto": "standard",
    "default": "standard",
    "on_demand": "standard",
    "standard": "standard",
    "standard_only": "standard",
    "on_demand_offpeak": "standard",
    "traffic_type_unspecified": "standard",
    # Capacity that is paid for in advance: a request has no separate price, and is counted like others.
    "scale": "standard",
    "reserved": "standard",
    "provisioned_throughput": "standard",
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
    "fast": "priority",
}


def tier_of(name: str | None) -> str:
    """The name of a service tier in `Prices.tiers`, from a vendor's own word for it."""
    if name is None:
        return "standard"
    known = _TIERS.get(name)
    if known is None:
        word = name.lower()
        known = _TIERS.get(word, word)
    return known
