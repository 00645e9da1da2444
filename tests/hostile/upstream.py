"""An upstream that keeps every byte it gets, and reads requests strictly: what can be read in two ways is a fault."""

import re
import socket
import threading

BODY = b'{"parcels":[]}'
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class RecordingUpstream:
    """Has what `http.server` has, as far as an installation uses it."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.server_port = self.listener.getsockname()[1]
        self.requests: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.seen = []

    def serve_forever(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def shutdown(self):
        self.listener.close()

    def server_close(self):
        pass

    def _serve(self, stream: socket.socket):
        kept = b""
        with stream:
            while True:
                try:
                    found = read_request(kept)
                    if found is None:
                        data = stream.recv(65_536)
                        if not data:
                            return
                        kept += data
                        continue
                except ValueError as fault:
                    self.faults.append(f"{fault}: {kept[:2_000]!r}")
                    return
                except OSError:
                    return
                method, target, used = found
                kept = kept[used:]
                self.requests.append((method, target))
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
                stream.sendall(head.encode() + (b"" if method == "HEAD" else BODY))


def read_request(kept: bytes):
    """Method, target and length of the request at the start; nothing if it isn't whole."""
    head, end, _ = kept.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or words[2] != b"HTTP/1.1" or not TOKEN.match(words[0]) or not words[1].startswith(b"/"):
        raise ValueError("a request line of other words")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name) or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise ValueError("a malformed field")
        fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    if len(fields.get(b"host", [])) != 1 or len(lengths) + len(codings) > 1:
        raise ValueError("not one host, or two lengths")
    used = len(head) + 4
    if codings:
        if codings != [b"chunked"]:
            raise ValueError("an odd transfer encoding")
        body = chunks_bytes(kept[used:])
        if body is None:
            return None
        used += body
    elif lengths:
        if not lengths[0].isdigit():
            raise ValueError("a length that is no number")
        used += int(lengths[0])
    return (words[0].decode(), words[1].decode(), used) if len(kept) >= used else None


def chunks_bytes(kept: bytes):
    at = 0
    while True:
        size, end, _ = kept[at:].partition(b"\r\n")
        if not end:
            return None
        if not re.fullmatch(rb"[0-9A-Fa-f]+", size):
            raise ValueError("a chunk's size that is no number")
        at += len(size) + 2 + int(size, 16) + 2
        if len(kept) < at:
            return None
        if kept[at - 2 : at] != b"\r\n":
            raise ValueError("a chunk without its end, or trailers")
        if int(size, 16) == 0:
            return at
