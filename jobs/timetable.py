"""The timetable: every background job by its name, as sweeps every few seconds.

The periods people know (tokens every 25 minutes, contacts every 15, failed pushes every 5, health
every hour) are due times of each practice in the database, spread so that ten thousand practices
never come at once. A sweep only asks whose time has come, so it can run often; for what comes to
every practice it asks a little ahead, and each is poked at the second of its own turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rq.exceptions import NoSuchJobError
from rq_scheduler import Scheduler

SWEEP_TIMEOUT_SECONDS = 10
CLOCK_SWEEP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Sweep:
    """One row: the job's name, the function to call, and how often."""

    name: str
    function: str
    seconds: int


TIMETABLE = (
    Sweep("xero-token-refresh", "jobs.token_refresh.sweep", 10),
    Sweep("xero-contact-sync", "jobs.contact_sync.sweep", CLOCK_SWEEP_SECONDS),
    Sweep("xero-file-push", "jobs.file_push.sweep", 5),
    Sweep("xero-file-retry", "jobs.file_retry.sweep", 10),
    Sweep("xero-file-check", "jobs.file_check.sweep", 30),
    Sweep("xero-health-check", "jobs.health_check.sweep", CLOCK_SWEEP_SECONDS),
    Sweep("alert-check", "jobs.alert_check.sweep", 30),
    Sweep("alert-mail", "jobs.alert_mail.sweep", 10),
)


def install(scheduler: Scheduler, now: datetime) -> list[str]:
    """Make Redis agree with the timetable; return the names of the rows that had to be written.

    Safe to call at any time: rows that are right are left alone, rows of an older version of the
    timetable are replaced or removed.
    """
    written = [sweep.name for sweep in TIMETABLE if not _is_installed(scheduler, sweep)]
    for sweep in TIMETABLE:
        if sweep.name in written:
            _write(scheduler, sweep, now)
    known = {sweep.name for sweep in TIMETABLE}
    listed: list[bytes] = scheduler.connection.zrange(scheduler.scheduled_jobs_key, 0, -1)
    for name in (entry.decode() for entry in listed):
        if name not in known:
            scheduler.cancel(name)
    return written


def _is_installed(scheduler: Scheduler, sweep: Sweep) -> bool:
    if sweep.name not in scheduler:
        return False
    try:
        job = scheduler.job_class.fetch(sweep.name, connection=scheduler.connection)
    except NoSuchJobError:
        return False
    return (job.func_name, job.meta.get("interval")) == (sweep.function, sweep.seconds)


def _write(scheduler: Scheduler, sweep: Sweep, now: datetime) -> None:
    scheduler.schedule(
        # The library counts in UTC without saying so.
        now.replace(tzinfo=None),
        sweep.function,
        interval=sweep.seconds,
        id=sweep.name,
        timeout=SWEEP_TIMEOUT_SECONDS,
        # The job's own record holds the interval: it must outlive each run.
        result_ttl=-1,
        ttl=None,
        description=sweep.name,
        # A sweep costs a query or two; it must not queue behind a night's backlog.
        at_front=True,
    )
