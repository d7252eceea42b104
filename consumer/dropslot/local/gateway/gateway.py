"""The path of one request through the gateway: find, validate, render, call, render, answer."""

import base64
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from dropslot.local.gateway.authentication import Authentication, RefusedError
from dropslot.local.gateway.backend import Backend, BackendAnswer, BackendTimeoutError, BackendUnreachableError
from dropslot.local.gateway.document import Document, Operation, media_type
from dropslot.local.gateway.gateway_responses import Answer, GatewayError
from dropslot.local.gateway.incoming import Incoming
from dropslot.local.gateway.strings import java_values
from dropslot.local.gateway.template import TemplateError
from dropslot.local.gateway.variables import Input, namespace, request_context

#: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
PAYLOAD_MAX_BYTES: Final = 10 * 1024 * 1024
REQUEST_ID_HEADER: Final = "x-amzn-RequestId"

_LOG: Final = logging.getLogger(__name__)


class Gateway:
    """Answers requests as the document says.

    Args:
        document: what is served.
        backend: makes the calls.
        authentication: finds out who calls, where the document asks.
        now_ms: the time in milliseconds since 1970.
    """

    def __init__(
        self, document: Document, backend: Backend, authentication: Authentication, *, now_ms: Callable[[], int]
    ) -> None:
        self._document = document
        self._backend = backend
        self._authentication = authentication
        self._now_ms = now_ms

    async def answer(self, incoming: Incoming) -> Answer:
        """Answer one request; never raises for what a client or the backend did."""
        request_id = incoming.header(REQUEST_ID_HEADER.lower()) or str(uuid.uuid4())
        context = request_context(
            requestId=request_id,
            extendedRequestId=request_id,
            requestTimeEpoch=self._now_ms(),
            httpMethod=incoming.method,
            path=incoming.path,
            stage="local",
            identity={"sourceIp": incoming.source_ip},
        )
        try:
            answer = await self._route(incoming, context)
        except Exception:  # noqa: BLE001 - whatever it is, a client gets an answer and the log its type
            # API Gateway answers its own faults in JSON, too.
            _LOG.exception("gateway_failed", extra={"method": incoming.method, "request_id": request_id})
            answer = self._fail(GatewayError.API_CONFIGURATION_ERROR, context)
        return Answer(status=answer.status, headers={REQUEST_ID_HEADER: request_id, **answer.headers}, body=answer.body)

    async def _route(  # noqa: PLR0911 - one return for each way a request can end
        self, incoming: Incoming, context: dict[str, Any]
    ) -> Answer:
        if incoming.body is None:
            return self._fail(GatewayError.REQUEST_TOO_LARGE, context)
        found = self._document.find(incoming.method, incoming.path)
        if found is None:
            return self._fail(GatewayError.MISSING_AUTHENTICATION_TOKEN, context)
        operation, parameters = found
        context["resourcePath"] = operation.resource_path
        try:
            self._identify(operation, incoming, context)
        except RefusedError as error:
            # The document may tell the client less than the developer needs to know.
            _LOG.info("caller_refused", extra={**_fields(operation, context), "refusal": error.message})
            return self._fail(error.error, context, message=error.message)
        media = media_type(incoming.header("content-type"))
        fault = _validation_fault(operation, media, incoming.body)
        if fault is not None:
            return self._fail(GatewayError.BAD_REQUEST_BODY, context, detail=fault)
        template = operation.templates.get(media)
        if template is None:
            return self._fail(GatewayError.UNSUPPORTED_MEDIA_TYPE, context)
        params = {"path": parameters, "querystring": incoming.query, "header": incoming.headers}
        try:
            call = template.render(namespace(Input(self._payload(operation, media, incoming.body), params), context))
            return await self._integrate(operation, call, params, context)
        except TemplateError as error:
            _LOG.exception("template_failed", extra=_fields(operation, context), exc_info=error)
            return self._fail(GatewayError.API_CONFIGURATION_ERROR, context)
        except BackendTimeoutError as error:
            _LOG.warning("backend_timeout", extra=_fields(operation, context), exc_info=error)
            return self._fail(GatewayError.INTEGRATION_TIMEOUT, context)
        except BackendUnreachableError as error:
            _LOG.warning("backend_unreachable", extra=_fields(operation, context), exc_info=error.__cause__)
            return self._fail(GatewayError.INTEGRATION_FAILURE, context)

    def _identify(self, operation: Operation, incoming: Incoming, context: dict[str, Any]) -> None:
        # Where nobody is asked, API Gateway looks at no credentials, and templates hear of none.
        if operation.proof is not None:
            region = operation.target.region if operation.target is not None else ""
            now_ms = context["requestTimeEpoch"]
            identity = self._authentication.identify(operation.proof, incoming, region=region, now_ms=now_ms)
            context["identity"] |= java_values(identity)

    async def _integrate(
        self, operation: Operation, call: str, params: Mapping[str, Mapping[str, str]], context: dict[str, Any]
    ) -> Answer:
        target = operation.target
        if target is not None:
            result = await self._backend.call(
                target.service,
                target.action,
                region=target.region,
                headers=target.headers,
                body=call,
                timeout_seconds=target.timeout_seconds,
            )
        else:
            # A mock's template says what the service would have answered.
            result = BackendAnswer(status=json.loads(call)["statusCode"], body="")
        response = operation.response_for(result.status)
        if response is None:
            return self._fail(GatewayError.API_CONFIGURATION_ERROR, context)
        body = result.body
        if response.template is not None:
            body = response.template.render(namespace(Input(result.body, params), context))
        override = context["responseOverride"]
        status = int(override.get("status", response.status))
        if status >= 500:
            _LOG.warning("backend_refused", extra={**_fields(operation, context), "backend_status": result.status})
        headers = {**response.headers, **{name: str(value) for name, value in override["header"].items()}}
        return Answer(status=status, headers=headers, body=body)

    def _payload(self, operation: Operation, media: str, body: bytes) -> str:
        if operation.converts_to_text and self._document.is_binary(media):
            return base64.b64encode(body).decode("ascii")
        return body.decode("utf-8", "replace")

    def _fail(
        self, error: GatewayError, context: Mapping[str, Any], *, message: str | None = None, detail: str = ""
    ) -> Answer:
        return self._document.responses.answer(error, context, message=message, detail=detail)


def _validation_fault(operation: Operation, media: str, body: bytes) -> str | None:
    model = operation.models.get(media)
    if model is None:
        return None
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        faults = [f"{error.json_path}: {error.message}" for error in model.iter_errors(value)]
    except (ValueError, RecursionError):
        return "the body is not JSON"
    return f"[{', '.join(faults)}]" if faults else None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _fields(operation: Operation, context: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": operation.method, "resource_path": operation.resource_path, "request_id": context["requestId"]}
