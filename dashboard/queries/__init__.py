"""What pages and sweeps ask: functions that read and return frozen results; they never write.

The session comes first, then the practice: whatever a page asks is looked up within one practice,
and a stranger's id is simply not found. Only `due.py` looks across practices; it serves the sweeps
and returns ids, nothing else. A list is read a page at a time, by keys and not by offsets, with a
number of statements that does not depend on the number of rows. `stamps.py` says in one statement
whether a live panel would read otherwise than before.
May import: `dashboard.models`, `dashboard.rules`, and the foundations. Read `due.py` first: its
conditions say when each kind of work is waiting.
"""
