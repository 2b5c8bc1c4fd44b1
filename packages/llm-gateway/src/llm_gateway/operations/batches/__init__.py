"""Forms of batches, and of the files that they are made of."""
