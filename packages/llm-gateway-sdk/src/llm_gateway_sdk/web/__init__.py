"""What plugins with web pages share: escaped HTML, the frame around a page, style sheet, script, and safe headers."""

from .calendar import calendar_spans
from .charts import Axis, Series, Unit, chart, chart_files
from .csv_lines import csv_line
from .markup import Child, Markup, data_block, join, tag
from .shell import Link, Shell, SignedIn, current_shell, page
from .static import SAFE_HEADERS, static_file

__all__ = [
    "SAFE_HEADERS",
    "Axis",
    "Child",
    "Link",
    "Markup",
    "Series",
    "Shell",
    "SignedIn",
    "Unit",
    "calendar_spans",
    "chart",
    "chart_files",
    "csv_line",
    "current_shell",
    "data_block",
    "join",
    "page",
    "static_file",
    "tag",
]
