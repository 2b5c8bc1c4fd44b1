"""JavaScript's patterns on a stream, in linear time. Nothing here knows of rules, replacements or messages.

    text of a pattern ──syntax──▶ tree ──program──▶ text for the `regex` engine   (what is a match, and where it ends)
                                   │        └─────▶ instructions ──▶ automaton   (where one may still become a match)
                                   └─openings─────▶ sequences for the `re` engine    (where one can begin at all)

Three searches of one pattern, because each is good at one thing. The automaton reads every character once, whatever
the text, and knows from where on a text may still become a match: that much has to be held. The `regex` engine has the
meaning of JavaScript (look-arounds, references, lazy repeats) and can take exponential time, so that it is asked only
at a place where the automaton has seen a match end, with a limit. The openings pass over what can't begin any match at
the speed of `re`, for texts that are there as a whole.

The automaton and the openings may accept more than the pattern, never less: a place too many costs an engine's call, a
place too few would let a secret pass.
"""
