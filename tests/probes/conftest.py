"""A shell and files for whole scans."""

from tests.cli.conftest import files, run

__all__ = ["files", "run"]
