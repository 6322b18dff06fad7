"""A real mail server: Debian's Exim as an unprivileged process, which puts every mail into one mailbox on disk and can send nothing anywhere else."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast

from tests.servers.missing import needs

CONFIG = """
primary_hostname = mail.test
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
pid_file_path = {directory}/pid
exim_user = {user}
exim_group = {group}
never_users =
deliver_drop_privilege = true
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
domainlist ours = *
acl_smtp_rcpt = take
acl_smtp_data = acl_accept
keep_environment =
tls_advertise_hosts =
begin acl
take:
  deny message = 5.1.1 no such user
       local_parts = nobody.there
  defer message = 4.7.1 greylisted
       local_parts = later
  accept
acl_accept:
  accept
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {directory}/box
  maildir_format
  create_directory
  user = {user}
  group = {group}
"""


@dataclass(frozen=True)
class Exim:
    """A server at work."""

    port: int
    directory: Path

    async def mails(self, count: int) -> list[EmailMessage]:
        """What is in the mailbox, once there are so many."""
        new = self.directory / "box" / "new"
        async with asyncio.timeout(30):
            while not new.exists() or len(list(new.iterdir())) < count:  # noqa: ASYNC110 another program's directory: nothing tells us
                await asyncio.sleep(0.05)
        return [cast("EmailMessage", message_from_bytes(path.read_bytes(), policy=policy.default)) for path in sorted(new.iterdir())]


@asynccontextmanager
async def exim(directory: Path) -> AsyncIterator[Exim]:
    """The server, until the context ends."""
    needs("exim4", "Exim (exim4-daemon-light)")
    user = _user()
    port = _configure(directory, user)
    process = await asyncio.create_subprocess_exec(
        "exim4", "-C", str(directory / "exim.conf"), "-bdf", "-q1h", user=user.pw_uid, group=user.pw_gid, stderr=asyncio.subprocess.PIPE
    )
    try:
        await _answers(port, process)
        yield Exim(port, directory)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def _user() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def _configure(directory: Path, user: pwd.struct_passwd) -> int:
    """Writes the configuration; the port of the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "exim.conf").write_text(CONFIG.format(directory=directory, user=user.pw_uid, group=user.pw_gid, port=port))
    if os.getuid() == 0:
        os.chown(directory, user.pw_uid, user.pw_gid)
        for parent in directory.parents:
            if parent.owner() == "root" and parent != Path("/tmp") and parent.is_relative_to("/tmp"):  # noqa: S108 pytest's own directories
                parent.chmod(0o755)
    return port


async def _answers(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20):
        while True:
            if process.returncode is not None:
                raise AssertionError(f"exim ended: {await process.communicate()}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)  # another program starts: nothing tells us
            else:
                writer.close()
                await writer.wait_closed()
                return
