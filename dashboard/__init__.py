"""The Xero dashboard of chase.md.

Rooms, from the street inwards: `views` and `cli` (HTTP and commands), `wiring` (collaborators
meet), `services` and `queries` (when things happen, what pages ask), `rules` (what we decide),
`models` and `xero` (what we remember, the outside), then `database`, `config`, `crypto`. Imports
point inwards only, and a test proves it. `simulator` is a sealed room: a pretend Xero that imports
nothing of ours.
Read `app.py` first, then `wiring.py`, then `services/xero_files.py`.
"""
