"""The web entry point: `gunicorn wsgi:app`, and what the `flask` command loads."""

import sys

import click
from flask.cli import ScriptInfo, load_dotenv
from flask.helpers import get_load_dotenv

from dashboard import demo
from dashboard.app import create_app, start_logging
from dashboard.config import SettingsError
from dashboard.doctor import check_master_keys, refuse_to_start


def _serves_pages() -> bool:
    """Tell a web server, `flask run` among them, from every other `flask` command."""
    command = click.get_current_context(silent=True)
    if command is None or command.find_object(ScriptInfo) is None:
        return True
    return command.info_name == "run"


# The `flask` command reads .env by itself, gunicorn does not.
if get_load_dotenv():
    load_dotenv()
start_logging()
try:
    # The demo makes its own settings; everything else reads the environment.
    app = create_app(demo.settings() if demo.is_asked_for(sys.argv) else None)
    if _serves_pages():
        check_master_keys(app)
except SettingsError as wrong:
    refuse_to_start(wrong)
