"""Addresses and secrets of destinations, encrypted at rest: AES with a tag (Fernet), keys from a file, one a line.

The first key encrypts, every key decrypts. To rotate, put a new key on top; what was written with an older one stays readable.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.runtime.errors import Misconfigured, Rejected

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class Cipher:
    """Text to ciphertext and back."""

    def __init__(self, fernet: MultiFernet) -> None:
        self._fernet = fernet

    def encrypt(self, text: str) -> bytes:
        """The text under the first key. The same text never gives the same bytes twice."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        """The text. Raises Rejected when no key fits or the bytes were changed."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as exc:
            raise Rejected("a stored address or secret fits none of the keys; put the key it was written with back into the keys file") from exc


def open_cipher(path: Path, *, create: bool) -> Cipher:
    """The cipher with the keys in a file. With `create`, a missing file is made, readable by its owner alone. Raises Misconfigured."""
    if create and not path.exists():
        _create(path)
    try:
        lines = path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as exc:
        raise Misconfigured(
            f"the keys file {path} cannot be read ({type(exc).__name__}); expected one key a line; `openssl rand -base64 32 | tr '+/' '-_'` makes one"
        ) from exc
    return cipher(lines, where=str(path))


def open_lasting_key(path: Path) -> bytes:
    """A key that is never rotated, made when it is asked for first. Raises Misconfigured."""
    if not path.exists():
        _create(path)
    try:
        return path.read_bytes().strip()
    except OSError as exc:
        raise Misconfigured(f"the key file {path} cannot be read ({type(exc).__name__})") from exc


def cipher(keys: Sequence[str], *, where: str = "the keys") -> Cipher:
    """The cipher with these keys, the newest first. Raises Misconfigured when one is no key."""
    from cryptography.fernet import Fernet, MultiFernet  # only where it is used: 50 ms of import

    if not keys:
        raise Misconfigured(f"{where}: no key; expected one a line, 32 bytes in URL-safe base64")
    try:
        return Cipher(MultiFernet([Fernet(key) for key in keys]))
    except ValueError as exc:
        raise Misconfigured(f"{where}: a line is no key; expected 32 bytes in URL-safe base64") from exc


def new_key() -> str:
    """A fresh key, as the file holds it."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def _create(path: Path) -> None:
    """Whole or not at all, and never over another process's file: keys that are lost cannot be made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its keys stand
    except OSError as exc:
        raise Misconfigured(f"the keys file {path} cannot be made: {exc.strerror}") from exc
    finally:
        draft.unlink(missing_ok=True)
