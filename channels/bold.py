"""Our own *bold* in texts, for the dialects that write it in another way or not at all. Pure."""

import html
import re

_TOKENS = re.compile(r"https?://\S+|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])")
"""Links first: stars inside them are none of ours."""


def has_bold(text: str) -> bool:
    return any(match["bold"] for match in _TOKENS.finditer(text))


def plain(text: str) -> str:
    """As a person reads it: bold words without their stars."""
    return _TOKENS.sub(lambda match: match["bold"] or match[0], text)


def to_html(text: str) -> str:
    """Escaped, with <b> around what is bold."""
    done, at = [], 0
    for match in _TOKENS.finditer(text):
        done.append(html.escape(text[at : match.start()], quote=False))
        bold = match["bold"]
        done.append(f"<b>{html.escape(bold, quote=False)}</b>" if bold else html.escape(match[0], quote=False))
        at = match.end()
    return "".join(done) + html.escape(text[at:], quote=False)
