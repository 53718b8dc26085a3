"""Pages for people (检核报告): what was judged, what was refused and why; readable with no network."""

from quality.reports.gate_page import Described, write_gate_page
from quality.reports.index_page import write_index
from quality.reports.version_page import write_version_page

__all__ = ["Described", "write_gate_page", "write_index", "write_version_page"]
