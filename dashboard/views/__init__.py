"""HTTP in, HTML or JSON out: one module for each subject, its panels beside its page.

A view asks a service or a query, rings the bell (`jobs.queue.poke`) and answers. It decides nothing
and never commits; refusals are raised through it and become words in `errors.py` alone.
May import: jobs, wiring, services, queries, rules and the foundations.
Read `guards.py` first (who is asking), then `documents.py` (a page, its panel, its JSON).
"""

from __future__ import annotations

from typing import cast

from flask import Flask, has_request_context

from dashboard.config import Settings
from dashboard.views import (
    alerts,
    clients,
    clients_api,
    contact_import,
    contact_twins,
    contacts_api,
    document_retry,
    documents,
    documents_api,
    errors,
    filters,
    frame,
    guards,
    health,
    held_sync,
    import_choices,
    import_review,
    integration_api,
    overview,
    run_actions,
    security,
    settings,
    sign_in,
    static_files,
    sync_history,
    tag_names,
)

LOCALE = "en_GB"


def register(app: Flask) -> None:
    """Give the app its pages, its JSON and what guards them."""
    guards.register(app)
    security.register(app, cast(Settings, app.config["SETTINGS"]))
    errors.register(app)
    filters.register(app)
    frame.register(app)
    static_files.register(app)
    for subject in (
        alerts,
        clients,
        contact_import,
        contact_twins,
        document_retry,
        documents,
        health,
        held_sync,
        import_choices,
        import_review,
        overview,
        run_actions,
        settings,
        sign_in,
        sync_history,
        tag_names,
    ):
        app.register_blueprint(subject.pages)
    for doors in (clients_api, contacts_api, documents_api, integration_api):
        app.register_blueprint(doors.api)


def locale() -> str:
    """Return the language of pages."""
    return LOCALE


def time_zone() -> str:
    """Return the time zone of the practice that is asking."""
    return frame.time_zone_of_practice() if has_request_context() else "UTC"
