"""The ASGI edge: routes, limits, lifespan."""
