"""Uploaded files on their way out: with the type that their bytes have, as nothing that could run."""

import re

from fastapi import Response

from channels.web_chat.model import ChatFile

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "private, max-age=86400, immutable",
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "bytes",
}
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def file_response(file: ChatFile, data: bytes, wanted: str) -> Response:
    """`wanted`: the header Range (RFC 9110 §14.2), which players need; what cannot be read is answered in full."""
    extension = file.type.rsplit("/", 1)[-1]
    headers = {**_HEADERS, "Content-Disposition": f'inline; filename="{file.kind}.{extension}"'}
    match = _RANGE.fullmatch(wanted)
    if match is None or not (match[1] or match[2]):
        return Response(data, headers=headers, media_type=file.type)
    size = len(data)
    if match[1]:
        first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first > last:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Response(data[first : last + 1], 206, headers, media_type=file.type)
