"""Relays before the gate that change no byte: one lends a client certificate, one keeps what clients begin with."""

import asyncio
import socket
import ssl
import threading


class LendingRelay:
    """Ends TLS, and speaks to the gate over TLS with a client certificate and the same protocol (ALPN)."""

    def __init__(self, gate: tuple[str, int], authority: str, certificate: tuple[str, str], own: tuple[str, str]):
        self.gate, self.authority, self.certificate, self.own = gate, authority, certificate, own
        self.connections = 0

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result(30)
        self.port = server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    async def _listen(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.own)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)

    async def _serve(self, reader, writer):
        self.connections += 1
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(*self.certificate)
        context.set_alpn_protocols([chosen or "http/1.1"])
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.gate, ssl=context)
        except OSError:
            writer.close()
            return
        # When either side ends, both do.
        ways = [asyncio.ensure_future(_copy(*way)) for way in [(reader, far_writer), (far_reader, writer)]]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (far_writer, writer):
            end.close()


async def _copy(reader, writer):
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except (OSError, ssl.SSLError):
        pass


class KeepingRelay:
    """Passes TCP on, and keeps the first bytes of each connection: its ClientHello."""

    def __init__(self, gate: tuple[str, int]):
        self.gate = gate
        self.hellos: list[bytes] = []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket):
        far = socket.create_connection(self.gate)
        hello = b""
        # Records of the handshake, as many as its first message says that it has.
        while len(hello) < 9 or len(hello) < _hello_bytes(hello):
            data = near.recv(65_536)
            if not data:
                near.close()
                far.close()
                return
            hello += data
        self.hellos.append(hello)
        far.sendall(hello)
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()
        near.close()
        far.close()


def _hello_bytes(start: bytes) -> int:
    """How long a ClientHello is that came in one record, with the record's head."""
    return 9 + int.from_bytes(start[6:9], "big")


def _pump(source: socket.socket, sink: socket.socket):
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
