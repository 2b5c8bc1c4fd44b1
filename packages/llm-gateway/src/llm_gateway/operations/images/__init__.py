"""Forms of images."""
