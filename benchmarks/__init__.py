"""Runnable comparisons against named peers; see README.md."""
