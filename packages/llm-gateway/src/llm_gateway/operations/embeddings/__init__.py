"""Forms of embeddings."""
