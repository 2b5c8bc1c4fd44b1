"""Redaction with a set of rules: of texts, of texts in pieces, of JSON, and of whole requests, replies and streams.

`redactor.py` is the core: one text in pieces. `joined.py` and `seams.py` join the texts that a reader may join,
`json_text.py` and `logprobs.py` are texts with a form; `bodies.py` and `stream.py` apply them to the SDK's messages.
"""
