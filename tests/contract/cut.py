"""Cut Xero's official OpenAPI files to what our client calls.

`python -m tests.contract.cut FOLDER`, with a checkout of https://github.com/XeroAPI/Xero-OpenAPI.
What is left is theirs, word for word, but for plain slips (`_put_right`) and `CORRECTIONS`: there
Xero's own documentation says something else, and so do its servers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.contract import HERE

SOURCES = {
    "accounting": "xero_accounting.yaml",
    "files": "xero_files.yaml",
    "identity": "xero-identity.yaml",
}
OPERATIONS = {
    "accounting": {
        "/Organisation": ("get",),
        "/Contacts": ("get",),
        "/Contacts/{ContactID}": ("get",),
        "/ContactGroups": ("get",),
    },
    "files": {
        "/Files": ("get", "post"),
        "/Files/{FileId}": ("get",),
        "/Files/{FolderId}": ("post",),
        "/Files/{FileId}/Content": ("get",),
        "/Files/{FileId}/Associations": ("get", "post"),
        "/Associations/{ObjectId}": ("get",),
        "/Folders": ("get", "post"),
    },
    "identity": {"/Connections": ("get",), "/Connections/{id}": ("delete",)},
}
# Words for people, hints for generators (they begin with x-), and scopes, which vary by consent.
LEFT_OUT = frozenset({"description", "summary", "tags", "externalDocs", "contact", "security"})
CORRECTIONS = {
    "accounting": {
        # "Modified After" takes UTC without a zone, which is no RFC 3339 date-time.
        # https://developer.xero.com/documentation/api/accounting/contacts
        ("components", "parameters", "ifModifiedSince", "schema"): {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$",
        },
    },
    "files": {
        # One part, whose field name is the file's name: no names that could be listed here.
        # https://developer.xero.com/documentation/api/files/files
        ("components", "schemas", "UploadObject"): {"type": "object"},
    },
    "identity": {},
}
# The address in the documentation; the official file writes it with a capital.
# https://developer.xero.com/documentation/guides/oauth2/auth-flow
RENAMED = {"/Connections": "/connections", "/Connections/{id}": "/connections/{id}"}


def cut(name: str, whole: dict[str, Any]) -> dict[str, Any]:
    """Return of the file *whole* what the operations of *name* need."""
    whole = _without_words(whole)
    paths = {}
    for path, methods in OPERATIONS[name].items():
        item = whole["paths"][path]
        kept = {key: item[key] for key in ("parameters", *methods) if key in item}
        paths[RENAMED.get(path, path)] = kept
    components: dict[str, dict[str, Any]] = {}
    for kind, each in _needed(paths, whole["components"]):
        components.setdefault(kind, {})[each] = whole["components"][kind][each]
    rest = {
        "openapi": whole["openapi"],
        "info": whole["info"],
        "servers": whole["servers"],
        "paths": paths,
        "components": {kind: dict(sorted(found.items())) for kind, found in components.items()},
    }
    for place, value in CORRECTIONS[name].items():
        _put(rest, place, value)
    return rest


def _needed(paths: dict[str, Any], components: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the components that *paths* refer to, and those that these refer to."""
    seen: set[tuple[str, str]] = set()
    waiting = list(_references(paths))
    while waiting:
        reference = waiting.pop()
        if reference not in seen:
            seen.add(reference)
            yield reference
            kind, name = reference
            waiting.extend(_references(components[kind][name]))


def _references(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            kind, name = value["$ref"].removeprefix("#/components/").split("/")
            yield kind, name
        for item in value.values():
            yield from _references(item)
    if isinstance(value, list):
        for item in value:
            yield from _references(item)


def _without_words(value: Any, *, names: bool = False) -> Any:
    """Return *value* without what machines do not need; *names* where the keys are names."""
    if isinstance(value, list):
        return [_without_words(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        if not names and (key in LEFT_OUT or key.startswith("x-")):
            continue
        if key == "example":
            kept[key] = item
            continue
        kept[key] = _without_words(item, names=key in {"properties", "schemas", "parameters"})
    return _put_right(kept)


def _put_right(kept: dict[str, Any]) -> dict[str, Any]:
    """Return *kept* as a valid description, where the official file has a slip."""
    for answer in kept.get("responses", {}).values():
        # It must have a description, which need not say anything.
        answer["description"] = ""
    if kept.get("type") == "boolean" and isinstance(kept.get("default"), str):
        # Some defaults are the word for a truth instead of the truth.
        kept["default"] = kept["default"] == "true"
    if "required" in kept and "properties" in kept:
        # Several objects require fields by names that they do not have ("id" for "Id").
        kept["required"] = [each for each in kept["required"] if each in kept["properties"]]
        if not kept["required"]:
            del kept["required"]
    return kept


def _put(whole: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    *above, last = place
    for key in above:
        whole = whole[key]
    assert last in whole, place
    whole[last] = value


class _Loader(yaml.CSafeLoader):
    """Texts stay texts: a moment in an example is what Xero sends, not a date of ours."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the parent has it
        first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def main(folder: str) -> None:
    """Write the cut files beside this one."""
    for name, source in SOURCES.items():
        text = (Path(folder) / source).read_text(encoding="utf-8")
        whole = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
        kept = json.dumps(cut(name, whole), indent=1, ensure_ascii=False)
        (HERE / f"{name}.json").write_text(f"{kept}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
