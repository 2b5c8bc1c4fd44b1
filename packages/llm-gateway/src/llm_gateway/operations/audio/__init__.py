"""Forms of speech and transcription."""
