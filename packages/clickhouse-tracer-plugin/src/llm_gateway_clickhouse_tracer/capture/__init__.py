"""From a finished request to a frame, on the event loop: what is copied, in which form, and what must not be."""
