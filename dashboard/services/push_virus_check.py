"""The virus check of one push: no byte leaves before the scanner says clean."""

from __future__ import annotations

from dashboard.models import ScanStatus
from dashboard.rules.push_sentences import PushCause
from dashboard.services import push_timeline
from dashboard.services.push_claims import Push
from dashboard.services.push_desk import PATIENCE_SECONDS, PushDesk
from dashboard.services.push_results import Ending
from dashboard.services.virus_scan import ScannerDown
from dashboard.storage import DocumentLost, StoreUnavailable


class PushVirusCheck:
    """Has a document checked unless checking is switched off."""

    def __init__(self, desk: PushDesk) -> None:
        self._desk = desk

    def is_due(self, push: Push) -> bool:
        """Return whether the file may not leave before a check, or a note that there is none."""
        if self._desk.scanner is None:
            return push.scan_status in (ScanStatus.PENDING, ScanStatus.INFECTED)
        return push.scan_status != ScanStatus.CLEAN

    def run(self, push: Push) -> Push | Ending:
        """Have the file checked; infected is final, an absent scanner means waiting."""
        if self._desk.scanner is None:
            if push.scan_status == ScanStatus.INFECTED:
                return self._desk.fail(push, PushCause.INFECTED)
            line, status = push_timeline.scanning_off(), ScanStatus.NOT_SCANNED
            return self._desk.write(push, line, document={"scan_status": status})
        try:
            with self._desk.beating(push), self._desk.bytes_of(push) as content:
                result = self._desk.scanner.scan(content)
        except ScannerDown:
            return self._desk.wait(
                push,
                push_timeline.scanner_down(PATIENCE_SECONDS),
                PATIENCE_SECONDS,
                PushCause.SCAN_MISSING,
            )
        except (DocumentLost, StoreUnavailable) as problem:
            return self._desk.no_bytes(push, problem)
        if result.is_clean:
            clean = {"scan_status": ScanStatus.CLEAN}
            return self._desk.write(push, push_timeline.scanned(), document=clean)
        infected = {"scan_status": ScanStatus.INFECTED}
        return self._desk.fail(push, PushCause.INFECTED, document=infected)
