"""Is this contact one of our clients? The parts of the duplicate detector.

`records` holds the values that go in and come out; `names` and `contact_points` tidy one record,
`profile` puts the tidy parts together; `frequencies` knows how rare a word is; `candidates` finds
the few clients worth a comparison; `name_evidence` and `evidence` weigh a pair with the constants
of `points`; `levels` turns points into exact, possible or new; `reasons` says it in words.
`vocabulary` and `nicknames` are tables; `collector` saves time. Imports nothing of ours outside
this package. Read `records.py` first; callers use `dashboard.rules.contact_matching`.
"""
