"""`python -m llm_gateway_sdk new my-plugin`: a new extension, for those who have the SDK alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

from . import __version__
from .scaffold import Kind, create


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m llm_gateway_sdk", description="Extensions of LLM Gateway.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = commands.add_parser("new", help="write a new plugin, provider or adapter with its tests")
    new.add_argument("name", help="its type in the configuration, e.g. my-plugin")
    new.add_argument("--kind", choices=get_args(Kind), default="plugin", help="default: plugin")
    new.add_argument("--directory", default=".", metavar="FOLDER", help="where its folder is created; default: here")
    options = parser.parse_args(arguments)
    try:
        folder = create(options.name, options.kind, options.directory)
    except (ValueError, FileExistsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Created {folder}. Now: cd {folder} && pip install -e '.[test]' && pytest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
