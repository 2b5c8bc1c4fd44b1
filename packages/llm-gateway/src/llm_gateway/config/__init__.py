"""The configuration: from a YAML or JSON text to one typed object, with all its problems reported at once.

The way of a file: `document` (text to nodes with lines) → `resolve` (`${…}` filled, values brought to the schema's
types) → `schema` (settings) → `inherit` (projects) → `checks` (what refers to what). `loader` walks it.
"""
