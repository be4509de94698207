"""What independent judges say of every page; `make pages` asks them, `make test` does not.

They come from npm (`node/package.json`, exact versions with hashes) and work without the internet:
Lighthouse for accessibility and best practices, and the scorer of the HTTP Observatory for the
headers. `judges.py` fetches and runs them.
"""
