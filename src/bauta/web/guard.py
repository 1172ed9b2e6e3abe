"""Who may ask: requests for this page, from this page. Everything else is turned away unread."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READING = ("GET", "HEAD")
_OWN = (None, "same-origin", "none")
#: The page runs its own scripts and styles, and asks nobody else for anything.
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Turns away what does not come from the page itself, and keeps browsers strict.

    The Host header is checked because a stranger's name can be made to point to this machine (DNS
    rebinding), Origin and Sec-Fetch-Site because any page that a browser shows can send requests
    here.

    Args:
        app: what answers the others.
        hosts: values of the Host header that are this server, such as "127.0.0.1:8000".

    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(hosts)
        self.origins = frozenset(f"http://{host}" for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or turn away."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        refused = self._refused(scope["method"], Headers(scope=scope))
        if refused:
            await PlainTextResponse(refused[1], refused[0])(scope, receive, strictly)
        else:
            await self.app(scope, receive, strictly)

    def _refused(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Status and words for a request that is none of the page's."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return 421, "This is another server than you asked for."
        if headers.get("sec-fetch-site") not in _OWN:
            return 403, "Another page may not ask here."
        if method not in _READING and headers.get("origin") not in self.origins:
            return 403, "Only the page itself may ask for this."
        return None
