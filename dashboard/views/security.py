"""Headers that every answer carries, and the content policy of pages."""

from __future__ import annotations

from flask import Flask, Response, request

from dashboard.config import Settings

NO_STORE = "no-store"


def register(app: Flask, settings: Settings) -> None:
    """Add the headers to every answer of the app."""
    policy = content_policy(settings)

    def protect(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if response.status_code == 204:  # noqa: PLR2004 - nothing changed: keep it small
            headers["Cache-Control"] = NO_STORE
            return response
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if request.endpoint != "static":
            headers.setdefault("Cache-Control", NO_STORE)
        if response.mimetype == "text/html":
            headers["Content-Security-Policy"] = policy
            headers["X-Frame-Options"] = "DENY"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            if settings.is_https:
                headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
        return response

    app.after_request(protect)


def content_policy(settings: Settings) -> str:
    """Return the policy: nothing but our own files, and forms that may lead to Xero's sign-in.

    A browser checks `form-action` on the redirect after a form post too, so Xero's origin is named.
    """
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "font-src": "'self'",
        "form-action": f"'self' {settings.xero_login_url}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())
