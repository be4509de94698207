"""The doorbells: what RQ and rq-scheduler call, and the two processes that do the calling.

A job takes ids, asks `wiring` for a service and calls one method. Nothing is decided, caught or
committed here: the database row is the promise, a queued job only a nudge that may be lost, come
twice, or come twice at once. The timetable's jobs are sweeps: they ask `queries.due` whose
promise is waiting and poke for each, or have it poked at the moment of its turn.
May import: `dashboard.wiring`, `dashboard.queries`, and the foundations below. Nobody imports
`jobs.worker` and `jobs.scheduler` but the command line. Read `file_push.py` first, then `queue.py`.
"""
