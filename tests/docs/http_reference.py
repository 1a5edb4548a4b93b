"""Writes `docs/reference-http.md` from the table of routes: `python -m tests.docs.http_reference`."""

from collections.abc import Iterator
from typing import Any

from amends.console.web.app import endpoints
from amends.console.web.openapi import openapi
from amends.saga.registry import Registry
from tests.tree import ROOT

PAGE = ROOT / "docs" / "reference-http.md"

_HEAD = """\
# HTTP API

<!-- Written by: python -m tests.docs.http_reference -->

How to serve and use it is in a [guide](howto/serve-the-http-api.md). `GET /openapi.json` is the same for programs, with
an operation for each action and saga that is registered. `{run_id}` may hold slashes, encoded or not. Errors are
`application/problem+json`, as [Problem](#type-problem) says. All shapes only grow.
"""


def page() -> str:
    """Return the page."""
    document = openapi(endpoints(), Registry((), ()), templates=True)
    return "\n".join([_HEAD, *_overview(document), *_operations(document), *_models(document)])


def _all(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _overview(document: dict[str, Any]) -> Iterator[str]:
    yield "| route | needs | does |"
    yield "| --- | --- | --- |"
    for path, method, operation in _all(document):
        anchor = operation["operationId"].lower()
        yield f"| [`{method} {path}`](#{anchor}) | {operation['x-amends-role']} | {operation['summary']} |"
    yield ""


def _operations(document: dict[str, Any]) -> Iterator[str]:
    for path, method, operation in _all(document):
        yield f"## {operation['operationId']}\n"
        yield f"`{method} {path}`: {operation['summary']}. Needs: {operation['x-amends-role']}.\n"
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        rows = [
            *((each["in"], each["name"], each["schema"], each["description"]) for each in operation["parameters"]),
            *(("body", name, schema, schema.get("description", "")) for name, schema in _fields(body)),
        ]
        if rows:
            yield "| in | name | type | says |\n| --- | --- | --- | --- |"
            yield "\n".join(f"| {where} | `{name}` | {_type(schema)} | {said} |" for where, name, schema, said in rows)
            yield ""
        answers = [
            f"{status}: {_type(next(iter(each.get('content', {'': {}}).values())).get('schema', {})) or 'nothing'}"
            for status, each in operation["responses"].items()
            if status != "default"
        ]
        yield f"Answers: {'; '.join(answers)}.\n"


def _models(document: dict[str, Any]) -> Iterator[str]:
    for name, schema in sorted(document["components"]["schemas"].items()):
        if name in {model.__name__ for endpoint in endpoints() for model in (endpoint.body, endpoint.query) if model}:
            continue
        yield f"## Type {schema.get('title', name)}\n"
        if "enum" in schema:
            yield f"One of {', '.join(f'`{value}`' for value in schema['enum'])}.\n"
            continue
        yield "| field | type | says |\n| --- | --- | --- |"
        for field, kind in _fields(schema):
            yield f"| `{field}` | {_type(kind)} | {kind.get('description', '')} |"
        yield ""


def _fields(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(schema.get("properties", {}).items())


def _type(schema: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        title = "Problem" if name == "ProblemShown" else name
        return f"[{title}](#type-{title.lower()})"
    if "anyOf" in schema:
        return " or ".join(filter(None, map(_type, schema["anyOf"])))
    if "allOf" in schema:
        return _type(schema["allOf"][0])
    kind = schema.get("format") or schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    extra = schema.get("additionalProperties")
    if kind == "object" and isinstance(extra, dict):
        return f"object of {_type(extra)}"
    return str(kind)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
