"""The routes of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from freerun._version import __version__
from freerun.errors import OutputError
from freerun.forecasting.model import Model
from freerun.serving.gate import Gate
from freerun.serving.manual import make_manual
from freerun.serving.messages import Health, Models, Updated
from freerun.serving.negotiation import MEDIA_TYPES, Format, format_of_answer, format_of_body
from freerun.serving.openapi import make_document
from freerun.serving.operations import OPERATIONS
from freerun.serving.pool import Limits, Pool
from freerun.serving.problems import Refusal, to_response
from freerun.serving.served import Served
from freerun.serving.work import INTERNAL, Answer, Job

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content security policy of the page of docs: browsers load its own style, and nothing else."""


class Service:
    """Answers requests.

    Args:
        models: the models by name.
        pool: computes requests.
        keep: whether updated models are written to their files.
        secured: whether requests must have a token.
        report_fault: called with a description of each fault of the service.
    """

    def __init__(
        self, models: Mapping[str, Served], pool: Pool, keep: bool, secured: bool, report_fault: Callable[[str], None]
    ) -> None:
        self._models, self._pool, self._keep, self._report_fault = models, pool, keep, report_fault
        self._document = make_document(pool.limits, secured)
        self._manual = make_manual(self._document)

    def routes(self) -> list[Route]:
        """Return the routes of the service."""
        routes = [
            Route("/", lambda _: RedirectResponse("docs", 307)),
            Route("/health", self._health),
            Route("/openapi.json", lambda _: JSONResponse(self._document)),
            Route("/docs", lambda _: HTMLResponse(self._manual, headers={"Content-Security-Policy": PAGE_POLICY})),
            Route("/models", self._list),
            Route("/models/{name}", self._info),
        ]
        for name, operation in OPERATIONS.items():
            methods = ["GET", "POST"] if operation.reads_only else ["POST"]
            routes.append(Route(f"/models/{{name}}/{name}", self._make_handler(name), methods=methods))
        return routes

    async def _health(self, request: Request) -> Response:
        del request
        pool = self._pool
        state = Health(
            version=__version__,
            models=len(self._models),
            computing=pool.computing,
            waiting=pool.waiting,
        )
        return _json(state.model_dump_json())

    async def _list(self, request: Request) -> Response:
        format_of_answer(request.headers.get("accept", ""), ["json"])
        return _json(Models(models=[served.summary for served in self._models.values()]).model_dump_json())

    async def _info(self, request: Request) -> Response:
        format_of_answer(request.headers.get("accept", ""), ["json"])
        return _json(self._find_model(request).info.model_dump_json())

    def _find_model(self, request: Request) -> Served:
        """Find the model that a request names.

        Raises:
            Refusal: there is no such model.
        """
        name = request.path_params["name"]
        if name not in self._models:
            raise Refusal(404, f"There is no model {name!r}; there are: {', '.join(self._models)}.")
        return self._models[name]

    def _make_handler(self, operation: str) -> Callable[[Request], Any]:
        """Make the function that answers requests for an operation."""

        async def perform(request: Request) -> Response:
            served = self._find_model(request)
            form = format_of_answer(request.headers.get("accept", ""), OPERATIONS[operation].formats)
            with self._pool.reserve():
                body, body_format = await self._read_body(request)
                job = Job(
                    operation=operation,
                    name=served.name,
                    query=request.query_params.multi_items(),
                    body=body,
                    body_format=body_format,
                    answer_format=form,
                    most_steps=self._pool.limits.steps,
                )
                answer = await self._compute(job, served)
            if answer.bug is not None:
                self._report_fault(answer.bug)
            return Response(answer.body, answer.status, answer.headers, answer.media_type)

        return perform

    async def _read_body(self, request: Request) -> tuple[bytes, Format | None]:
        """Read the body of a request, and tell its format; None if there is no body.

        Raises:
            Refusal: it is too large, is neither JSON nor CSV, or does not arrive in time.
        """
        most, parts, size = self._pool.limits.body, [], 0
        too_large = Refusal(413, f"The body has more than {most} bytes; give a part of the series.")
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            raise too_large
        try:
            async with asyncio.timeout(self._pool.limits.seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise too_large
                    parts.append(part)
        except TimeoutError:
            raise Refusal(408, "The body did not arrive in time.", {"Connection": "close"}) from None
        if not size:
            return b"", None
        headers = request.headers
        return b"".join(parts), format_of_body(headers.get("content-type"), headers.get("content-encoding"))

    async def _compute(self, job: Job, served: Served) -> Answer:
        """Compute a request within the limit of time.

        Raises:
            Refusal: it takes longer, or its process died.
        """
        seconds = self._pool.limits.seconds
        try:
            async with asyncio.timeout(seconds) as limit:
                if job.operation != "update":
                    return await self._pool.perform(job, served)
                async with served.updating:
                    answer = await self._pool.perform(job, served)
                    limit.reschedule(None)  # the model is replaced as a whole
                    return answer if answer.model is None else await self._replace_model(served, answer.model, answer)
        except TimeoutError:
            raise Refusal(
                503,
                f"This took longer than {seconds:g} seconds, the limit of this service; ask for fewer steps, give a "
                "shorter series, or try again when there is less to do.",
            ) from None

    async def _replace_model(self, served: Served, model: Model, answer: Answer) -> Answer:
        """Replace a model by its update, and complete the answer.

        Raises:
            Refusal: the model cannot be written to its file. It stays as it was.
        """
        if self._keep:
            try:
                await asyncio.to_thread(served.write, model)
            except OutputError as error:
                self._report_fault(str(error))
                raise Refusal(500, "The updated model cannot be written to its file; it stays as it was.") from error
        served.replace(model)
        kept = "file" if self._keep else "memory"
        state = served.summary.model_dump()
        updated = Updated(**state, updates=served.version, kept=kept, warnings=list(answer.warnings))
        return replace(answer, body=updated.model_dump_json().encode(), model=None)


def make_app(
    models: Mapping[str, Served],
    limits: Limits,
    *,
    token: str | None = None,
    hosts: tuple[str, ...] | None = None,
    keep: bool = False,
    search_path: Sequence[str] = (),
    log: Callable[[str], None] = lambda line: None,
    report_fault: Callable[[str], None] = lambda text: None,
    ready: Callable[[], None] = lambda: None,
) -> Starlette:
    """Make the ASGI application of the service.

    Args:
        models: the models by name.
        limits: limits of requests.
        token: that requests must have; None for none.
        hosts: host names that requests may use; None for all.
        keep: whether updated models are written to their files.
        search_path: folders in which functions of known models are found.
        log: called with a line for each request.
        report_fault: called with a description of each fault of the service.
        ready: called when the service is ready to answer.
    """
    pool = Pool(limits, search_path)
    service = Service(models, pool, keep, token is not None, report_fault)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        try:
            await pool.start()
            ready()
            yield
        finally:
            await pool.stop()

    return Starlette(
        routes=service.routes(),
        middleware=[Middleware(Gate, token=token, hosts=hosts, log=log)],
        exception_handlers={
            Refusal: _refuse,
            HTTPException: _refuse_address,
            ClientDisconnect: _answer_nobody,
            Exception: _answer_fault,
        },
        lifespan=lifespan,
    )


def _refuse(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Refusal)
    return to_response(error)


def _refuse_address(request: Request, error: Exception) -> Response:
    """Refuse an address or a method that the service does not have."""
    assert isinstance(error, HTTPException)
    detail = f"There is no address {request.url.path}; /docs lists all."
    if error.status_code == 405:
        detail = f"{request.url.path} does not answer {request.method}; /docs says what it answers."
    return to_response(Refusal(error.status_code, detail, error.headers))


def _answer_nobody(request: Request, error: Exception) -> Response:
    """End a request whose client has left before it was complete. Nobody reads this answer."""
    del request, error
    return Response(status_code=400)


def _answer_fault(request: Request, error: Exception) -> Response:
    """Answer a request that failed by a fault of freerun.
    The server writes the fault to the log."""
    del request, error
    return to_response(Refusal(500, INTERNAL))


def _json(text: str) -> Response:
    return Response(text, media_type=MEDIA_TYPES["json"])
