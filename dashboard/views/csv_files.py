"""Lists as CSV files: written row by row while they are read, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from flask import Response, stream_with_context

from dashboard.rules.csv_cells import cell

# Without it Excel takes the file for Latin-1.
BYTE_ORDER_MARK = "\ufeff"


def csv_file(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """Return *rows* under *head* as a file to be saved; *name* is plain ASCII."""
    return Response(
        stream_with_context(_lines(head, rows)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield BYTE_ORDER_MARK + _line(head)
    for row in rows:
        yield _line([cell(value) for value in row])


def _line(values: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(values)
    return text.getvalue()
