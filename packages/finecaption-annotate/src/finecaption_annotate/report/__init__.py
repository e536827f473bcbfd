"""Pages on a dataset that open anywhere: one HTML file each, no script from elsewhere, no font."""

from __future__ import annotations

from finecaption_annotate.report.sheet import sheet_html
from finecaption_annotate.report.statistics import Statistics
from finecaption_annotate.report.stats_page import stats_html

__all__ = ["Statistics", "sheet_html", "stats_html"]
