"""The built-in dialects: pure translation, no I/O."""
