"""Accounting's answers as XML, which is what Xero sends to those who do not ask for JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

_MICROSOFT_DATE = re.compile(r"/Date\((-?\d+)(?:\+0000)?\)/")
_ITEM_NAMES = {
    "Addresses": "Address",
    "Attachments": "Attachment",
    "ContactGroups": "ContactGroup",
    "ContactPersons": "ContactPerson",
    "Contacts": "Contact",
    "ExternalLinks": "ExternalLink",
    "Organisations": "Organisation",
    "Phones": "Phone",
    "PurchasesTrackingCategories": "PurchasesTrackingCategory",
    "SalesTrackingCategories": "SalesTrackingCategory",
}


def as_xml(payload: dict[str, Any]) -> bytes:
    """Return an answer's envelope as an XML document."""
    root = ElementTree.Element("Response")
    _fill(root, payload)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _fill(element: ElementTree.Element, values: dict[str, Any]) -> None:
    for name, value in values.items():
        child = ElementTree.SubElement(element, name)
        if isinstance(value, dict):
            _fill(child, value)
        elif isinstance(value, list):
            for item in value:
                _fill(ElementTree.SubElement(child, _ITEM_NAMES[name]), item)
        else:
            child.text = _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and (date := _MICROSOFT_DATE.fullmatch(value)):
        moment = datetime.fromtimestamp(int(date[1]) / 1000, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return str(value)
