"""What a reader sees: tables, figure and RESULTS.md of an experiment."""
