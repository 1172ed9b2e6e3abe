"""What the page can ask for. Photos and keys are files of a room; answers are JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from bauta import __version__
from bauta.errors import BautaError
from bauta.keys.files import asks_for_passphrase
from bauta.web.downloads import PACKED, packed, written_of
from bauta.web.guard import Guard
from bauta.web.lane import Job, Lanes, stop
from bauta.web.requests import fit_asked, hide_asked, kind_of_key, trace_asked, wear_asked
from bauta.web.rooms import Key, Picture, Room, Rooms
from bauta.web.words import MASKS, METHODS, PRESETS, STRENGTHS
from bauta.web.work import Look

_STATIC = {
    "": "text/html; charset=utf-8",
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        (
            "app.js",
            "ask.js",
            "keys.js",
            "masks.js",
            "parts.js",
            "photos.js",
            "protect.js",
            "trace.js",
        ),
        "text/javascript; charset=utf-8",
    ),
}
_REAP = 30.0


def make_app(rooms: Rooms, lanes: Lanes, hosts: Collection[str]) -> Starlette:
    """The whole server as an ASGI application.

    Args:
        rooms: who may come in.
        lanes: where work is done.
        hosts: see :class:`bauta.web.guard.Guard`.

    """
    desk = _Desk(rooms, lanes)
    return Starlette(
        routes=[
            *(Route(f"/{name}", _static, name=name or "page") for name in _STATIC),
            Route("/download/{ticket}", desk.download),
            Route("/api/session", desk.enter, methods=["POST"]),
            Route("/api/session", desk.leave, methods=["DELETE"]),
            Route("/api/about", desk.about),
            Route("/api/state", desk.state),
            Route("/api/photos", desk.bring_photo, methods=["POST"]),
            Route("/api/photos/{id}", desk.remove, methods=["DELETE"]),
            Route("/api/photos/{id}/look", desk.look_again, methods=["POST"]),
            Route("/api/photos/{id}/stop", desk.stop, methods=["POST"]),
            Route("/api/photos/{id}/{when}-{number:int}.jpg", desk.view),
            Route("/api/keys", desk.bring_key, methods=["POST"]),
            Route("/api/keys/make", desk.make_key, methods=["POST"]),
            Route("/api/keys/{id}", desk.remove, methods=["DELETE"]),
            Route("/api/keys/{id}/register", desk.bring_register, methods=["POST"]),
            Route("/api/protect", desk.protect, methods=["POST"]),
            Route("/api/masks/fit", desk.fit, methods=["POST"]),
            Route("/api/masks/wear", desk.wear, methods=["POST"]),
            Route("/api/trace", desk.trace, methods=["POST"]),
            Route("/api/tickets", desk.ticket, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={BautaError: _refuse, HTTPException: _refuse},
        lifespan=desk.lifespan,
    )


async def _static(request: Request) -> Response:
    name = request.url.path.removeprefix("/")
    data = resources.files("bauta.web").joinpath("static", name or "index.html").read_bytes()
    return Response(data, media_type=_STATIC[name])


async def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code)
    assert isinstance(error, BautaError)
    return JSONResponse({"error": error.plain}, 400)


class _Desk:
    """Answers requests; whatever takes long is put into a lane."""

    def __init__(self, rooms: Rooms, lanes: Lanes) -> None:
        self.rooms = rooms
        self.lanes = lanes

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Wipe rooms that are idle while the server runs, and all at its end."""
        reaper = asyncio.create_task(self._reap())
        try:
            yield
        finally:
            reaper.cancel()
            self.lanes.close()
            self.rooms.close()

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(min(_REAP, self.rooms.limits.idle))
            self.rooms.wipe_idle()

    async def enter(self, request: Request) -> Response:
        """Open a room with a link."""
        body = await self._json(request)
        return JSONResponse({"secret": self.rooms.enter(str(body.get("link", "")))})

    async def leave(self, request: Request) -> Response:
        """Wipe a room."""
        self._room(request)
        self.rooms.leave(_secret(request))
        return JSONResponse({})

    async def about(self, request: Request) -> Response:
        """What there is to choose from."""
        self._room(request)
        return JSONResponse(await run_in_threadpool(_about))

    async def state(self, request: Request) -> Response:
        """How everything stands."""
        return JSONResponse(self._room(request).to_json())

    async def bring_photo(self, request: Request) -> Response:
        """Take a photo in, and look for its faces."""
        room = self._room(request)
        photo = room.add_photo(_name(request))
        await self._receive(request, room, photo)
        photo.look = self._looking(photo, small=False)
        return JSONResponse(photo.to_json())

    async def look_again(self, request: Request) -> Response:
        """Look for small faces too."""
        room = self._room(request)
        photo = room.photo(request.path_params["id"])
        for job in photo.jobs():
            stop(job)
        photo.look, photo.result = self._looking(photo, small=True), None
        return JSONResponse(photo.to_json())

    def _looking(self, photo: Picture, *, small: bool) -> Job:
        pixels = self.rooms.limits.pixels
        ask = Look(photo=photo.path, folder=photo.folder, pixels=pixels, small=small)
        return self._put(Job(ask, "look"), quick=True)

    async def stop(self, request: Request) -> Response:
        """Give up what is being done to a photo."""
        photo = self._room(request).photo(request.path_params["id"])
        if photo.result:
            stop(photo.result)
        return JSONResponse(photo.to_json())

    async def remove(self, request: Request) -> Response:
        """Wipe a photo or a key."""
        room, which = self._room(request), request.path_params["id"]
        item: Picture | Key | None = room.photos.get(which) or room.keys.get(which)
        if item:
            room.remove(item)
        return JSONResponse({})

    async def view(self, request: Request) -> Response:
        """A picture of a photo or face."""
        photo = self._room(request).photo(request.path_params["id"])
        when, number = request.path_params["when"], request.path_params["number"]
        file = photo.folder / f"{when}-{number}.jpg"
        if when not in ("before", "after") or not file.is_file():
            raise HTTPException(404, "there is no such picture")
        return FileResponse(file, media_type="image/jpeg")

    async def bring_key(self, request: Request) -> Response:
        """Take a key in."""
        room = self._room(request)
        key = room.add_key(_name(request))
        try:
            await self._receive(request, room, key)
            key.kind = kind_of_key(key.path, key.name)
            key.sealed = asks_for_passphrase(key.path)
        except BautaError:
            room.remove(key)
            raise
        return JSONResponse(key.to_json())

    async def bring_register(self, request: Request) -> Response:
        """Take in what a watermark key has given out."""
        room = self._room(request)
        key = room.key(request.path_params["id"])
        await self._receive(request, room, key, to=key.register)
        return JSONResponse(key.to_json())

    async def make_key(self, request: Request) -> Response:
        """Make a watermark key."""
        from bauta.watermarking import make_key

        room, body = self._room(request), await self._json(request)
        key = room.add_key(str(body.get("name") or "my.key"))
        key.kind, passphrase = "watermark", body.get("passphrase") or None
        await run_in_threadpool(make_key, key.path, passphrase=passphrase)
        key.sealed = passphrase is not None
        return JSONResponse(key.to_json())

    async def protect(self, request: Request) -> Response:
        """Protect photos."""
        room, body = self._room(request), await self._json(request)
        for photo, ask in hide_asked(room, body):
            self._result(photo, Job(ask, "protect"), quick=False)
        return JSONResponse(room.to_json())

    async def fit(self, request: Request) -> Response:
        """Fit a personal mask."""
        room, body = self._room(request), await self._json(request)
        key, ask = fit_asked(room, body)
        key.job = self._put(Job(ask, "fit"), quick=False)
        return JSONResponse(room.to_json())

    async def wear(self, request: Request) -> Response:
        """Put a mask on photos, or take it off."""
        room, body = self._room(request), await self._json(request)
        for photo, ask in wear_asked(room, body):
            self._result(photo, Job(ask, "unmask" if ask.off else "mask"), quick=True)
        return JSONResponse(room.to_json())

    async def trace(self, request: Request) -> Response:
        """Trace photos."""
        room, body = self._room(request), await self._json(request)
        for photo, ask in trace_asked(room, body):
            self._result(photo, Job(ask, "trace"), quick=True)
        return JSONResponse(room.to_json())

    async def ticket(self, request: Request) -> Response:
        """Make a link to a file, or to all of them, that works once."""
        room, body = self._room(request), await self._json(request)
        what, which = body.get("what"), str(body.get("id", ""))
        if what == "photo":
            file, name = written_of(room.photo(which))
        elif what == "key":
            key = room.key(which)
            file, name = key.path, key.name
        elif what == "register":
            key = room.key(which)
            file, name = key.register, f"{key.name}.ids"
        elif what == "all":
            file, name = await run_in_threadpool(packed, room), "bauta.zip"
        else:
            raise HTTPException(400, "there is nothing of that kind to download")
        if not file.is_file():
            raise HTTPException(404, "that file is not there")
        return JSONResponse({"link": f"/download/{room.ticket(file, name)}"})

    async def download(self, request: Request) -> Response:
        """Give a file out, once."""
        found = self.rooms.redeem(request.path_params["ticket"])
        if not found or not found[0].is_file():
            raise HTTPException(404, "this link was used already")
        file, name = found
        after = BackgroundTask(file.unlink, missing_ok=True) if file.parent.name == PACKED else None
        return FileResponse(
            file, filename=name, media_type="application/octet-stream", background=after
        )

    def _room(self, request: Request) -> Room:
        """The room of whoever asks."""
        room = self.rooms.room(_secret(request))
        if room is None:
            raise HTTPException(
                401, "This page was closed or wiped: open the newest link that the terminal shows."
            )
        return room

    def _put(self, job: Job, *, quick: bool) -> Job:
        (self.lanes.quick if quick else self.lanes.long).put(job)
        return job

    def _result(self, photo: Picture, job: Job, *, quick: bool) -> None:
        if photo.result:
            stop(photo.result)
        photo.result = self._put(job, quick=quick)

    async def _json(self, request: Request) -> Mapping[str, Any]:
        """A request that is an object of JSON, and short."""
        data = b""
        async for piece in request.stream():
            data += piece
            if len(data) > self.rooms.limits.json_bytes:
                raise HTTPException(413, "this request is too long")
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise HTTPException(400, "this request is no JSON object")
        return body

    async def _receive(
        self, request: Request, room: Room, item: Picture | Key, *, to: Path | None = None
    ) -> None:
        """Write what is sent to disk as it comes; too much of it is refused, and wiped."""
        most = min(self.rooms.limits.file_bytes, room.room_left)
        path, count = to or item.path, 0
        try:
            with path.open("wb") as stream:
                async for piece in request.stream():
                    count += len(piece)
                    if count > most:
                        raise HTTPException(413, _too_much(most, self.rooms.limits.file_bytes))
                    await run_in_threadpool(stream.write, piece)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if to is None:
                room.remove(item)
            if isinstance(error, OSError):
                raise HTTPException(507, f"this machine's disk: {error.strerror}") from error
            raise
        item.bytes += count


def _too_much(most: int, per_file: int) -> str:
    if most < per_file:
        return "there is no room for more photos: download what is done, and remove it here"
    return f"this file is larger than {per_file >> 20} MiB"


def _secret(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def _name(request: Request) -> str:
    return unquote(request.headers.get("x-name", ""), errors="replace")


def _about() -> Mapping[str, Any]:
    from bauta.recognizers.zoo import default_judges

    return {
        "version": __version__,
        "methods": METHODS,
        "presets": PRESETS,
        "masks": MASKS,
        "strengths": STRENGTHS,
        "styles": _styles(),
        "judges": default_judges(),
    }


def _styles() -> list[Mapping[str, str]]:
    from bauta.makeup.styles import read_style, style_names

    return [{"name": name, "title": read_style(name).title} for name in style_names()]
