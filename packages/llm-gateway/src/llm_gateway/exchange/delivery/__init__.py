"""How a provider's reply becomes the client's: one module for each way."""
