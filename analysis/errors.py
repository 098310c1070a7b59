"""What can go wrong in judging and reporting."""

from __future__ import annotations


class ReportError(Exception):
    """A page cannot be written; the text says where and what to do."""
