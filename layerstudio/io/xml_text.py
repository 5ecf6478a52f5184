"""Text as XML can hold it."""

from __future__ import annotations

import re

# Code points that XML 1.0 (2.2, production [2] "Char") cannot carry, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """``text`` without the characters that XML cannot carry; markup is not escaped."""
    return _NOT_XML.sub("", text)
