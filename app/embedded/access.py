"""Which system user the embedded servers run as, and how that user reaches its folders.

PostgreSQL refuses to run as root. When we are root, the servers run as a system user of their own; that user gets the
right to pass through the parents of the data folder and of the program files, and nothing more: an access-control
entry for this one user where the file system has them (acl(5)), the "others may pass" bit where it has not.
"""

import os
import pwd
import shutil
import stat
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError

SERVER_USER = "aiadmin-db"

_ACL_XATTR = "system.posix_acl_access"
# posix_acl_xattr_header and _entry of linux/posix_acl_xattr.h: version 2, then (tag, permissions, id), little endian
_ACL_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_EXECUTE = 1


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The account of the servers. `uid` None: they run as whoever we are."""

    uid: int | None = None
    gid: int | None = None

    @classmethod
    def choose(cls) -> "ServerUser":
        """Ordinary users run the servers themselves; root hands them to a system user, made at first need.

        Raises ConfigurationError when root cannot make that user.
        """
        if os.geteuid() != 0:
            return cls()
        try:
            entry = pwd.getpwnam(SERVER_USER)
        except KeyError:
            entry = _make_user()
        return cls(entry.pw_uid, entry.pw_gid)

    def own(self, path: Path, mode: int) -> None:
        """Makes the folder, gives it to the server's account and sets its mode."""
        path.mkdir(parents=True, exist_ok=True)
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def let_pass(self, path: Path) -> None:
        """Lets the server's account pass through every parent of the path."""
        if self.uid is None:
            return
        for parent in path.resolve().parents:
            status = parent.stat()
            if status.st_uid != self.uid and not status.st_mode & stat.S_IXOTH:
                _grant_pass(parent, self.uid)

    def let_read(self, root: Path, probe: Path) -> None:
        """Lets the server's account read the program files under root when the probe file shows that it may not."""
        if self.uid is None:
            return
        self.let_pass(root)
        if probe.stat().st_mode & stat.S_IXOTH and probe.parent.stat().st_mode & stat.S_IXOTH:
            return
        for path in (root, *root.rglob("*")):
            if path.is_symlink():
                continue
            mode = path.stat().st_mode
            passing = stat.S_IXOTH if path.is_dir() or mode & stat.S_IXUSR else 0
            path.chmod(mode | stat.S_IROTH | passing)


def _make_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd") or "/usr/sbin/useradd"
    command = [useradd, "--system", "--no-create-home", "--user-group", "--shell", "/usr/sbin/nologin", SERVER_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)  # noqa: S603 - fixed arguments
    except (OSError, subprocess.SubprocessError):
        # another stack may have made it in the same moment
        try:
            return pwd.getpwnam(SERVER_USER)
        except KeyError:
            raise ConfigurationError(
                f"the embedded PostgreSQL does not run as root and the system user {SERVER_USER} could not be made: "
                "start as an ordinary user, or set DATABASE_URL and REDIS_URL to servers of your own"
            ) from None
    return pwd.getpwnam(SERVER_USER)


def _grant_pass(folder: Path, uid: int) -> None:
    try:
        os.setxattr(folder, _ACL_XATTR, _acl_with_pass(folder, uid))
    except (OSError, AttributeError):
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH)


def _acl_with_pass(folder: Path, uid: int) -> bytes:
    """The folder's access-control list with execute (pass through) for one more user."""
    mode = folder.stat().st_mode
    entries: dict[tuple[int, int], int] = {
        (_USER_OBJ, _NO_ID): mode >> 6 & 7,
        (_GROUP_OBJ, _NO_ID): mode >> 3 & 7,
        (_OTHER, _NO_ID): mode & 7,
    }
    try:
        present = os.getxattr(folder, _ACL_XATTR)
    except OSError:
        present = b""
    for tag, permissions, ident in _ENTRY.iter_unpack(present[4:]):
        entries[(tag, ident)] = permissions
    entries[(_USER, uid)] = entries.get((_USER, uid), 0) | _EXECUTE
    entries[(_MASK, _NO_ID)] = entries.get((_MASK, _NO_ID), entries[(_GROUP_OBJ, _NO_ID)]) | _EXECUTE
    return _ACL_VERSION + b"".join(
        _ENTRY.pack(tag, permissions, ident) for (tag, ident), permissions in sorted(entries.items())
    )
