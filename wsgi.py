"""The web entry point: `gunicorn wsgi:app`, and what the `flask` command loads."""

import sys

from flask.cli import load_dotenv
from flask.helpers import get_load_dotenv

from dashboard import demo
from dashboard.app import create_app, start_logging
from dashboard.config import SettingsError

# gunicorn tries again and again with another worker unless one ends with just this status.
WILL_NEVER_START = 3

# The `flask` command reads .env by itself, gunicorn does not.
if get_load_dotenv():
    load_dotenv()
start_logging()
try:
    # The demo makes its own settings; everything else reads the environment.
    app = create_app(demo.settings() if demo.is_asked_for(sys.argv) else None)
except SettingsError as wrong:
    for sentence in wrong.problems:
        sys.stderr.write(f"{sentence}\n")
    sys.exit(WILL_NEVER_START)
