"""The page: one HTML document with its style and its script in it; its policy lets the browser run only those."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib import resources


def _asset(name: str) -> str:
    return (resources.files("velo_harness.dashboard") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_STYLE, _SCRIPT = _asset("page.css"), _asset("page.js")

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_digest(_STYLE)}; script-src {_digest(_SCRIPT)}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@lru_cache(maxsize=1)
def page_html() -> bytes:
    """The document; it asks its own server for everything that it shows."""
    return _asset("page.html").replace("/* page.css */", _STYLE).replace("/* page.js */", _SCRIPT).encode()
