"""The long fault harnesses: processes that die, collide and meet a troubled Xero, in numbers.

Each module is a command (`python -m tests.storm.refresh_storm --help`) and returns 0 only if every
invariant held, every kind of fault was really injected, and a deliberately naive implementation
(`naive.py`) turned the same harness red. `make storm` runs them all with their default counts,
`test_storms.py` a few seconds of each. What they share: `installation.py` (a database, settings and
an app for forked processes), `identity_server.py` (a strict or forgiving token endpoint in a
process of its own, which counts), `report.py`. They may import anything of the product's and
`tests.support`; nobody imports them. Read `refresh_storm.py` first.
"""
