"""A page on which a person can try a salon's chat before it is on the salon's site: /chat/<site>/demo."""

import secrets
from html import escape

from fastapi import Response

from channels.web_chat.model import Site

_PAGE = """<!doctype html>
<html lang="ru">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Проба чата: {title}</title>
<style nonce="{nonce}">
html {{ color-scheme: light dark; }}
body {{ font: 18px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 0 auto; padding: 3rem 1.25rem; }}
pre {{ font-size: 15px; padding: 1rem; border: 1px solid; border-radius: 8px; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>Так чат выглядит на странице салона: кнопка в углу. Напишите, например: «Хочу на стрижку завтра после обеда».</p>
<p>Чтобы чат появился на вашем сайте, вставьте перед <code>&lt;/body&gt;</code>:</p>
<pre><code>{tag}</code></pre>
</main>
<script nonce="{nonce}" src="../widget.js" data-site="{site}" data-open async></script>
</body>
</html>
"""


def script_tag(base_url: str, site: str) -> str:
    """What the salon puts into its page. `base_url`: scheme and host of the product."""
    return f'<script src="{escape(base_url.rstrip("/"))}/chat/widget.js" data-site="{escape(site)}" async></script>'


def demo_page(site: Site, base_url: str) -> Response:
    """With the policy that a careful site has: what the chat needs beyond it would be seen here first."""
    nonce = secrets.token_urlsafe(16)
    title = str(site.account.settings.get("title") or "Чат салона")
    text = _PAGE.format(
        title=escape(title), nonce=nonce, tag=escape(script_tag(base_url, site.token)), site=escape(site.token)
    )
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'nonce-{nonce}'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return Response(text, headers=headers, media_type="text/html")
