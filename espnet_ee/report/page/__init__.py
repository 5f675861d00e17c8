"""The study as one self-contained page: tables written here, charts and slider by its script."""

from espnet_ee.report.page.document import PAGE_NAME, check_page_tools, page_text

__all__ = ["PAGE_NAME", "check_page_tools", "page_text"]
