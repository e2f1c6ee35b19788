"""The report of a fitted model as one HTML file."""

from skhlm.html_report.write import report

__all__ = ["report"]
