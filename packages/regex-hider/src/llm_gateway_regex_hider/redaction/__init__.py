"""Redaction with a set of rules: of texts, of texts in pieces, of JSON, and of whole requests, replies and streams.

`redactor.py` is the core: one text in pieces. `masking.py` is its state where a possible match is too long to be
held, `matching.py` asks the engine about one place, `bounds.py` is what all of it may spend. `whole_texts.py` is the
short way for a text that is there as a whole. `joined.py` and `seams.py` join the texts that a reader may join,
`json_text.py` and `logprobs.py` are texts with a form; `bodies.py` and `stream.py` apply them to the SDK's messages.
"""
