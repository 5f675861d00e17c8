"""Bring the tables of the root README.md up to date: ``python -m experiments.readme``.

A table stands between ``<!-- results: FILE -->`` and ``<!-- end -->``. Its header says which table
of the file is meant, the first cell of each row which of its rows (``FILE, rows by 2``: the first
two cells).
"""

from __future__ import annotations

import re
from pathlib import Path

from espnet_ee.errors import DataError
from espnet_ee.report.files import write_text

ROOT = Path(__file__).resolve().parents[1]
TABLE = re.compile(
    r"<!-- results: (?P<file>[^\s,]+)(?:, rows by (?P<cells>\d))? -->\n(?P<rows>.*?)<!-- end -->",
    re.DOTALL,
)


def refreshed(text: str, root: Path) -> str:
    """``text`` with every table's rows as the files under ``root`` have them now.

    Raises:
        DataError: A file has no such table, or a table no such row.
    """

    def table(found: re.Match[str]) -> str:
        source, width = found["file"], int(found["cells"] or 1)
        header, line, *rows = found["rows"].splitlines()
        generated = _rows_under(header, (root / source).read_text(encoding="utf-8"))
        new = []
        for row in rows:
            matches = [one for one in generated if _key(one, width) == _key(row, width)]
            if len(matches) != 1:
                raise DataError(
                    f"{source} has {len(matches)} rows for one of README.md's.",
                    got=row,
                    fix="edit the row's first cells, or how many name it: `rows by N`",
                )
            new += matches
        start, end = (found.span("rows")[i] - found.start() for i in (0, 1))
        return found[0][:start] + "\n".join([header, line, *new, ""]) + found[0][end:]

    return TABLE.sub(table, text)


def _rows_under(header: str, text: str) -> list[str]:
    """Rows of the first table with this header; none if there is no such table."""
    _, _, rest = f"\n{text}".partition(f"\n{header}\n")
    rows = []
    for line in rest.splitlines()[1:]:  # below the line under the header
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows


def _key(row: str, width: int) -> list[str]:
    return row.split("|")[1 : 1 + width]


if __name__ == "__main__":
    readme = ROOT / "README.md"
    write_text(readme, refreshed(readme.read_text(encoding="utf-8"), ROOT))
