"""The report of a fitted model as one HTML file."""

from skhlm.html_report.method import ReportMixin

__all__ = ["ReportMixin"]
