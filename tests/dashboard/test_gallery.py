"""The gallery is there only where a developer asked for it, and each scene stands by itself."""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from dashboard.config import Settings
from dashboard.gallery import SCENES
from dashboard.models import Practice, XeroConnection


def pages_of(app: Flask) -> set[str]:
    """Return the endpoints that answer a GET with a page of their own."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ())
        and rule.endpoint != "static"
        and not re.match("/(api|gallery|healthz|readyz)", rule.rule)
        and not re.search(r"/panels/|\.csv$|/content$", rule.rule)
    }


def test_an_installation_has_none(app: Flask, visitor: FlaskClient) -> None:
    assert visitor.get("/gallery").status_code == 404
    assert visitor.get("/gallery/settings-connected").status_code == 404
    assert not [rule for rule in app.url_map.iter_rules() if "gallery" in rule.rule]


class TestGallery:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        """Settings of somebody who develops."""
        return dataclasses.replace(settings, gallery=True)

    def test_it_lists_every_state(self, visitor: FlaskClient) -> None:
        page = visitor.get("/gallery").text
        assert [slug for slug in SCENES if f'href="/gallery/{slug}"' not in page] == []
        assert len(SCENES) > 200

    def test_a_scene_opened_twice_is_there_once(
        self, visitor: FlaskClient, session: Session
    ) -> None:
        first = visitor.get("/gallery/settings-expired")
        assert (first.status_code, first.headers["Location"]) == (303, "/settings")
        assert "Xero stopped accepting our access" in visitor.get("/settings").text
        for _ in range(2):
            assert visitor.get("/gallery/settings-connected").status_code == 303
        assert "Technical details" in visitor.get("/settings").text
        assert session.query(Practice).count() == 2
        assert session.query(XeroConnection).count() == 2

    def test_every_page_has_a_scene_that_stands_for_it(
        self, app: Flask, visitor: FlaskClient
    ) -> None:
        found = app.url_map.bind("localhost")
        seen = set()
        for scene in SCENES.values():
            if scene.stands_for_screen:
                place = visitor.get(f"/gallery/{scene.slug}").headers.get("Location")
                seen |= {found.match(urlsplit(place).path)[0]} if place else set()
        # It only makes a draft and leads to it.
        assert pages_of(app) - seen == {"contact_import.begin"}

    def test_there_is_nothing_else(self, visitor: FlaskClient) -> None:
        assert visitor.get("/gallery/no-such-scene").status_code == 404
