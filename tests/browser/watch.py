"""Watches a browser: whatever goes wrong while somebody uses it is a trouble."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, Response, WebError

TELL_REPORTS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""
LOUD = ("error", "warning", "assert")
GONE_AWAY = "net::ERR_ABORTED"
UNANSWERED = ("htmx:", "Failed to load", "Response Status Error")


class Watch:
    """Everything that went wrong in a browser since `forget()`.

    Console errors and warnings, script errors, reports of the content policy, requests that failed
    and answers of 400 and above. What a change of pages cut off is no trouble.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.troubles: list[str] = []
        context.add_init_script(TELL_REPORTS)
        context.on("console", self._console)
        context.on("weberror", self._script)
        context.on("requestfailed", self._failed)
        context.on("response", self._answered)

    def forget(self) -> None:
        """Begin anew."""
        self.troubles.clear()

    def forget_missing_page(self) -> None:
        """Take away what belongs to a page that was asked for and is not there."""
        self.troubles = [
            trouble
            for trouble in self.troubles
            if not (trouble.startswith("404 GET") or "status of 404" in trouble)
        ]

    def forget_page(self, answer: Response) -> None:
        """Take away what belongs to a page that is about an error, and says so by its status."""
        if answer.status >= 400:
            loud = f"{answer.status} {answer.request.method} {answer.url}"
            self.troubles = [
                trouble
                for trouble in self.troubles
                if trouble != loud and f"status of {answer.status}" not in trouble
            ]

    def forget_unanswered(self) -> None:
        """Take away what belongs to requests that got no answer, or one that asks to sign in."""
        about = ("failed: ", "401 GET", *(f"console error: {word}" for word in UNANSWERED))
        self.troubles = [trouble for trouble in self.troubles if not trouble.startswith(about)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in LOUD:
            self.troubles.append(f"console {message.type}: {message.text}")

    def _script(self, error: WebError) -> None:
        self.troubles.append(f"script: {error.error}")

    def _failed(self, request: Request) -> None:
        if request.failure == GONE_AWAY and not request.is_navigation_request():
            return
        self.troubles.append(f"failed: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.status} {response.request.method} {response.url}")
