"""The pretend Xero on a real wire, in this process: a test can look at what it remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime
from typing import Any

import requests
from werkzeug.serving import WSGIRequestHandler, make_server

from dashboard.simulator import World, create_simulator, grants

ADDRESS = "127.0.0.1"
CALLBACK = "http://localhost:8000/api/integrations/xero/callback"


class Quiet(WSGIRequestHandler):
    """Keeps connections open, and tells the world's time."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing: the world keeps a log of its calls."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return what the `Date` of an answer says: Xero's clock, which need not be ours."""
        world: World = self.server.app.extensions["simulator"]  # type: ignore[attr-defined]
        return format_datetime(world.clock.now(), usegmt=True)


@contextmanager
def served(world: World) -> Iterator[str]:
    """Yield the address at which *world* answers."""
    server = make_server(ADDRESS, 0, create_simulator(world), threaded=True, request_handler=Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]
    # Asked this often whether to end, so that a test does not wait for it.
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://{ADDRESS}:{server.server_port}"
    finally:
        world.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()


def granted(world: World, user_id: str, tenant_id: str, issuer: str) -> dict[str, Any]:
    """Return what the token endpoint answers after this person let the app in, without a page."""
    asked = grants.ConsentRequest(
        client_id=world.app.client_id,
        redirect_uri=CALLBACK,
        scopes=world.app.scopes,
        state=None,
        nonce=None,
        code_challenge=None,
        may_choose_several=False,
    )
    code = grants.give_consent(world, asked, user_id, [tenant_id]).code
    return grants.exchange_code(world, code, CALLBACK, None, issuer)


def give_consent(
    world: World, authorization_url: str, organisation: str | None = None, *, cancel: bool = False
) -> str:
    """Press Allow (or Cancel) on the pretend Xero's page as a person would.

    Returns the address that the person is sent back to, with its query.
    """
    chosen = world.organisation(organisation) if organisation else world.main
    user = next(u for u in world.state.users.values() if chosen.tenant_id in u.tenant_ids)
    answer = requests.post(
        authorization_url,
        data={
            "decision": "cancel" if cancel else "allow",
            "choice": f"{user.user_id} {chosen.tenant_id}",
        },
        allow_redirects=False,
        timeout=10,
    )
    assert answer.status_code == requests.codes.found, answer.text
    return answer.headers["Location"]
