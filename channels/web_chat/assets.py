"""The widget's files as they are served: one versionless loader, the rest under an address that changes with them."""

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
_VERSION = "ASSETS_VERSION"
_TYPES = {".js": "text/javascript; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asset:
    type: str
    data: bytes
    zipped: bytes
    etag: str


class Assets:
    """Read once, at the start of the process that serves them."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.js"))}
        digest = sha256()
        for name, data in files.items():
            digest.update(name.encode() + b"\0" + data + b"\0")
        self.version = digest.hexdigest()[:16]
        files["widget.js"] = files["widget.js"].replace(_VERSION.encode(), self.version.encode())
        self._assets = {name: _asset(name, data) for name, data in files.items()}

    @property
    def loader(self) -> Asset:
        return self._assets["widget.js"]

    def module(self, version: str, name: str) -> Asset | None:
        """None for another version too: a page that kept an old loader gets the newest by a new load of it."""
        if version != self.version or name == "widget.js":
            return None
        return self._assets.get(name)

    @property
    def zipped_bytes(self) -> int:
        """What a first visit loads."""
        return sum(len(asset.zipped) for asset in self._assets.values())


def _asset(name: str, data: bytes) -> Asset:
    zipped = gzip.compress(data, 9, mtime=0)
    return Asset(_TYPES[Path(name).suffix], data, zipped, f'"{sha256(data).hexdigest()[:20]}"')
