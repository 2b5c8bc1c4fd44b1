"""A place to look at traces: pages rendered on the server, with nothing from elsewhere."""

from .app import Dashboard, dashboard_app

__all__ = ["Dashboard", "dashboard_app"]
