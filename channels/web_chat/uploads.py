"""What an uploaded file is, by its first bytes. The name and the type that a browser claims are believed in nothing.

Signatures: ISO/IEC 10918-1 (JPEG), PNG 3rd edition §5.2, RFC 9649 (WebP), RFC 3533 (Ogg), RFC 8794 §17.2 (EBML, WebM),
ISO/IEC 14496-12 §4.3 (`ftyp` of MP4). SVG and HTML are text with scripts: they have no signature here and never pass.
"""

from dataclasses import dataclass

from core.errors import InvalidInput

_AUDIO_BRANDS = (b"M4A ", b"mp42", b"isom", b"iso5", b"iso6", b"mp41", b"dash")


@dataclass(frozen=True, slots=True)
class Sniffed:
    kind: str
    """image or voice."""
    type: str


def sniff(data: bytes) -> Sniffed:
    """Raises InvalidInput for everything that is neither a photo nor a voice note."""
    if data.startswith(b"\xff\xd8\xff"):
        return Sniffed("image", "image/jpeg")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Sniffed("image", "image/png")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Sniffed("image", "image/webp")
    if data.startswith(b"OggS"):
        return Sniffed("voice", "audio/ogg")
    if data.startswith(b"\x1aE\xdf\xa3") and b"webm" in data[:64]:
        return Sniffed("voice", "audio/webm")
    if data[4:8] == b"ftyp" and data[8:12] in _AUDIO_BRANDS:
        return Sniffed("voice", "audio/mp4")
    raise InvalidInput("file: only photos (JPEG, PNG, WebP) and voice notes (Ogg, WebM, MP4) are taken")


def clean_name(name: str) -> str:
    """Of a file, for people: no folders, no control characters, short."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:80].strip()
