"""Forms of rerank."""
