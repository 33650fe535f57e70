"""Is it our own server that answers on a port? Another program may have taken it a moment before."""

from __future__ import annotations

import socket
import struct

from stream.embedded.server import HOST

__all__ = ["is_broker", "is_redis"]

_ANSWER_S = 0.5


def is_redis(port: int, password: str) -> bool:
    """Only our own Redis knows the password; another program that took the port answers with an error."""
    with socket.create_connection((HOST, port), timeout=_ANSWER_S) as connection, connection.makefile("rwb") as stream:
        stream.write(f"AUTH {password}\r\nPING\r\n".encode())
        stream.flush()
        return stream.readline() == b"+OK\r\n" and stream.readline() == b"+PONG\r\n"


def is_broker(port: int, cluster: str) -> bool:
    """Ask for the cluster's metadata (Kafka's request 3, version 2, of no topics): it names the cluster."""
    request = struct.pack(">hhihi", 3, 2, 1, -1, 0)
    with socket.create_connection((HOST, port), timeout=_ANSWER_S) as connection, connection.makefile("rwb") as stream:
        stream.write(struct.pack(">i", len(request)) + request)
        stream.flush()
        length = stream.read(4)
        return len(length) == 4 and cluster.encode() in stream.read(min(int.from_bytes(length), 4096))
