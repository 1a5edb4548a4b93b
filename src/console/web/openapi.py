"""The OpenAPI 3.1 document of a console: made of the table of routes, and of the actions and sagas that are known.

Each action and each saga has an operation of its own, with the types that it declares. Pure: the same registry gives
the same document.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic.json_schema import JsonSchemaMode

from ...actions.action import Action
from ...actions.values import ValueType
from ...saga.definition import Saga
from ...saga.registry import Registry
from .problems import MEDIA_TYPE as PROBLEM
from .problems import ProblemShown
from .roles import Role
from .table import Endpoint

__all__ = ["openapi", "schema_of"]

_REFERENCE = "#/components/schemas/{model}"
_NO_SCHEMA = (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation)

Runnable = Action[Any, Any] | Saga[Any, Any]
Schema = dict[str, Any]


def schema_of(kind: ValueType[Any]) -> Schema:
    """Return the JSON schema of a type; that of anything, where it has none."""
    try:
        return kind.json_schema()
    except _NO_SCHEMA:
        return {}


def openapi(table: Sequence[Endpoint], registry: Registry, *, templates: bool = False) -> dict[str, Any]:
    """Return the document.

    Args:
        table: the routes.
        registry: the actions and sagas, each of which has operations of its own.
        templates: leave those as the table has them, with the name in the path: for the reference.
    """
    schemas, components = _schemas(table, registry)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in table:
        if not endpoint.is_page:
            for path, operation in _operations(endpoint, registry, schemas, templates=templates):
                paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "amends",
            "version": _version(),
            "description": "Actions, sagas, and their runs. Every operation names the role that it needs.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _version() -> str:
    try:
        return version("amends")
    except PackageNotFoundError:
        return "0"


def _operations(
    endpoint: Endpoint, registry: Registry, schemas: Mapping[str, Schema], *, templates: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    path = endpoint.path.replace(":path}", "}")
    if endpoint.each is None or templates:
        yield path, _operation(endpoint, schemas)
        return
    for runnable in _runnables(registry, endpoint.each):
        operation = _operation(endpoint, schemas, runnable, endpoint.each)
        yield path.replace(f"{{{endpoint.each}}}", runnable.name), operation


def _runnables(registry: Registry, kind: str) -> Iterable[Runnable]:
    return registry.actions.values() if kind == "action" else registry.sagas


def _operation(
    endpoint: Endpoint, schemas: Mapping[str, Schema], runnable: Runnable | None = None, kind: str = ""
) -> dict[str, Any]:
    suffix = f" ({runnable.name})" if runnable else ""
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.name}:{runnable.name}" if runnable else endpoint.name,
        "summary": f"{endpoint.summary}{suffix}",
        "x-amends-role": endpoint.role.label,
        "parameters": [*_parameters(endpoint, schemas)],
        "responses": _responses(endpoint, schemas, runnable, kind),
    }
    if endpoint.role is Role.PUBLIC:
        operation["security"] = []
    if endpoint.body is not None:
        schema = schemas[endpoint.body.__name__]
        if runnable is not None:
            schema = _body_of(schema, schemas[f"{kind} {runnable.name} input"], runnable)
        required = bool(schema.get("required"))
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    return operation


def _parameters(endpoint: Endpoint, schemas: Mapping[str, Schema]) -> Iterator[dict[str, Any]]:
    if "{run_id:path}" in endpoint.path:
        schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.:@/+-]{0,199}$"}
        yield {"name": "run_id", "in": "path", "required": True, "schema": schema, "description": "the run"}
    for name, said in endpoint.headers.items():
        yield {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": said}
    if endpoint.query is not None:
        for name, schema in schemas[endpoint.query.__name__]["properties"].items():
            shown = {**schema, **_alternatives(schema)}
            shown.pop("anyOf", None)
            said = shown.pop("description", "")
            yield {"name": name, "in": "query", "required": False, "schema": shown, "description": said}


def _alternatives(schema: Schema) -> Schema:
    """Return what a parameter is, where it may be left out: nothing can be given as null in a query."""
    given = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return given[0] if len(given) == 1 else {}


def _responses(
    endpoint: Endpoint, schemas: Mapping[str, Schema], runnable: Runnable | None, kind: str
) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, model in endpoint.answers.items():
        said = {200: "Done", 202: "It goes on; `Location` says where to ask", 204: "Nothing more will come"}
        responses[str(status)] = {"description": said.get(status, "Done")}
        if status == 204:
            continue
        schema = _OTHER.get(model) or schemas[model.__name__]
        if runnable is not None:
            output = schemas[f"{kind} {runnable.name} output"]
            typed = {"type": "object", "properties": {"output": {"anyOf": [output, {"type": "null"}]}}}
            schema = {"allOf": [schema, typed]}
        responses[str(status)]["content"] = {endpoint.media_type: {"schema": schema}}
    refused = {
        "description": "What went wrong, and how to mend it",
        "content": {PROBLEM: {"schema": schemas[_PROBLEM]}},
    }
    return {**responses, "default": refused}


_PROBLEM = ProblemShown.__name__
_OTHER: Mapping[Any, Schema] = {None: {"type": "string"}, dict: {"type": "object"}}
"""What stands in an answer that is no model: text, or any document."""


def _body_of(body: Schema, taken: Schema, runnable: Runnable) -> Schema:
    """Return the body that starts this one: with its own type for the input."""
    properties = {**body["properties"], "input": taken}
    required = [] if runnable.input.accepts_none() else ["input"]
    return {**body, "title": f"Start of {runnable.name}", "properties": properties, "required": required}


def _schemas(table: Sequence[Endpoint], registry: Registry) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return every schema by its name, and what they refer to. Models of bodies and queries are not shared."""
    wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        (_PROBLEM, "serialization", TypeAdapter(ProblemShown)),
        *_of_table(table),
        *_of_runnables(registry),
    ]
    unique = {name: (name, mode, adapter) for name, mode, adapter in wanted}
    found, shared = TypeAdapter.json_schemas(list(unique.values()), ref_template=_REFERENCE)
    components: dict[str, Schema] = dict(shared.get("$defs", {}))
    schemas: dict[str, Schema] = {}
    for (name, _), schema in found.items():
        inputs = {endpoint.body for endpoint in table} | {endpoint.query for endpoint in table}
        is_asked = name in {model.__name__ for model in inputs if model}
        reference = schema.get("$ref", "").rpartition("/")[2] if set(schema) == {"$ref"} else ""
        schemas[name] = components[reference] if is_asked and reference else schema
    return schemas, components


def _of_table(table: Sequence[Endpoint]) -> Iterator[tuple[str, JsonSchemaMode, TypeAdapter[Any]]]:
    for endpoint in table:
        if endpoint.is_page:
            continue
        for model in (endpoint.body, endpoint.query):
            if model is not None:
                yield model.__name__, "validation", TypeAdapter(model)
        for model in endpoint.answers.values():
            if model not in _OTHER:
                yield model.__name__, "serialization", TypeAdapter(model)


def _of_runnables(registry: Registry) -> Iterator[tuple[str, JsonSchemaMode, TypeAdapter[Any]]]:
    for kind in ("action", "saga"):
        for runnable in _runnables(registry, kind):
            yield f"{kind} {runnable.name} input", "validation", _adapter(runnable.input)
            yield f"{kind} {runnable.name} output", "serialization", _adapter(runnable.output)


def _adapter(kind: ValueType[Any]) -> TypeAdapter[Any]:
    """Return what a type's schema is made by; that of anything, where it has none."""
    return TypeAdapter(kind.annotation) if _has_schema(kind) else TypeAdapter(Any)


@cache
def _has_schema(kind: ValueType[Any]) -> bool:
    try:
        for mode in ("validation", "serialization"):
            TypeAdapter(kind.annotation).json_schema(mode=mode)
    except _NO_SCHEMA:
        return False
    return True
