"""What the person wrote in this mail: without quoted mails below it, without the signature.

Plain text: RFC 3676 (signature line "-- ", quotes with ">"); the lines with which mail programs introduce a quoted mail
are a convention, in Russian and English. Pure.
"""

import re
from html.parser import HTMLParser

_INTRODUCES = re.compile(
    r"""^\s*(?:
        -{2,}\s*(?:original\ message|исходное\ сообщение|пересылаемое\ сообщение|forwarded\ message)\s*-{0,}
      | _{10,}
      | (?:>\s*)?on\ .{6,120}\ wrote:
      | .{0,140}(?:пишет|писал(?:\(а\))?|писала|написал(?:\(а\))?|написала|wrote)\s*:
      | (?:от|from)\s*:\s.+@.+
    )\s*$""",
    re.IGNORECASE | re.VERBOSE,
)
_DATED = re.compile(r"\d{1,2}[:.]\d{2}|\d{4}|@|<")
_HEADER = re.compile(r"^\s*(?:sent|date|to|subject|отправлено|дата|кому|тема)\s*:", re.IGNORECASE)
_SENT_FROM = re.compile(
    r"^\s*(?:sent from my \S.*|отправлено (?:с|из) \S.*|get outlook for \w+.*|скачать outlook.*)$", re.IGNORECASE
)
_BLOCKS = frozenset({"p", "div", "br", "tr", "li", "h1", "h2", "h3", "h4", "table", "ul", "ol", "blockquote", "hr"})
_UNSEEN = frozenset({"style", "script", "head", "title", "template"})
_VOID = frozenset({"br", "hr", "img", "meta", "link", "input", "col", "wbr", "area", "base"})
_QUOTE_CLASSES = ("gmail_quote", "yahoo_quoted", "moz-cite-prefix", "mail-quote", "gmail_attr")


def own_words(text: str) -> str:
    """The part above the first quoted mail and the signature. Quotes answered line by line keep the answers."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").split("\n")
    kept: list[str] = []
    for number, line in enumerate(lines):
        if line in ("-- ", "--") or _SENT_FROM.match(line):
            break
        if _starts_quoted_mail(lines, number):
            break
        if line.lstrip().startswith(">"):
            continue
        kept.append(line.rstrip())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _starts_quoted_mail(lines: list[str], number: int) -> bool:
    line = lines[number]
    # "On …, Anna <a@b> wrote:" is often folded onto a second line
    folded = f"{line} {lines[number + 1].strip()}" if number + 1 < len(lines) else line
    for candidate in (line, folded):
        if not _INTRODUCES.match(candidate):
            continue
        if re.match(r"^\s*(?:от|from)\s*:", candidate, re.IGNORECASE):
            return any(_HEADER.match(later) for later in lines[number + 1 : number + 4])
        if candidate.rstrip().endswith(":"):
            # "мастер написала:" is a sentence; the line of a mail program has a date or an address
            return bool(_DATED.search(candidate))
        return True
    return False


def text_of_html(html: str) -> str:
    """Readable text of an HTML body; quoted mails (blockquote, the mail programs' classes) are left out."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    lines = [re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(parser.pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden: list[str] = []
        """Open elements from the first hidden one on."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")
        if tag in _VOID:
            return
        classes = next((value or "" for name, value in attrs if name == "class"), "")
        if self._hidden or tag in _UNSEEN or tag == "blockquote" or any(c in classes for c in _QUOTE_CLASSES):
            self._hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data.replace("\n", " "))
