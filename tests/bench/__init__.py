"""What the product can carry: figures beside a limit measured or derived in the same run.

Each bench is a command (`python -m tests.bench.governor --help`) and prints tables; `make bench`
runs them all. Nothing here is a timed test: `test_benches.py`, `test_contacts.py` and
`test_pages.py` run a few seconds of each and look only at what must hold however slow the machine
is. `matching.py` offers the detector to a judge outside; `viewers.py` and `filing.py` run the
product's own processes. Read `governor.py` first; what it stands on are `judge.py` (a server that
counts), `callers.py` (cheap processes), `naive_limiters.py` (which must turn red) and
`many_rows.py` (a practice of any size).
"""
