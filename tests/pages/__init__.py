"""What the pages look like and what judges say of them; `make pages` asks, `make test` does not.

`gallery.py` runs an installation in which every state of every screen can be opened. axe,
Lighthouse and the scorer of the HTTP Observatory look at them; the latter two come from npm
(`node/package.json`, exact versions with hashes) and work without the internet: `judges.py`
fetches and runs them.
"""
