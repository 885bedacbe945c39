"""A client that does what it is told: commands are lines of JSON on stdin, each answered by one on
stdout. It ends with its stdin.

    driven_client.py websockets | aiohttp

    {"do": "open", "url", "protocols", "headers": {}, "ca", "deflate"}
        {"protocol", "cookies": [], "extensions"} or {"status", "headers": {}}
    {"do": "send", "text" | "base64"}                {}
    {"do": "fragments", "texts" | "base64s"}         {}    with a Ping before each but the first
    {"do": "receive"}                                {"text" | "base64"} or {"closed": [code, reason]}
    {"do": "ping", "base64"}                         {}    when its Pong has come
    {"do": "close", "code", "reason"}                {"closed": [code, reason]}
    {"do": "abort"}                                  {}    no Close is sent

A "closed" of 1006 says that no Close came.
"""

import asyncio
import base64
import json
import os
import ssl
import sys

LINE_LIMIT = 16 * 1024 * 1024
ABNORMAL = [1006, ""]


def trust(ca):
    return None if ca is None else ssl.create_default_context(cadata=ca)


def said(message):
    if isinstance(message, str):
        return {"text": message}
    return {"base64": base64.b64encode(message).decode()}


def heard(command):
    if "text" in command:
        return command["text"]
    return base64.b64decode(command["base64"])


class Websockets:
    """The package websockets, by its interface of many years."""

    async def open(self, command):
        import websockets

        # It offers permessage-deflate by itself.
        compression = "deflate" if command["deflate"] else None
        try:
            self.socket = await websockets.connect(
                command["url"],
                subprotocols=command["protocols"] or None,
                extra_headers=command["headers"],
                ssl=trust(command["ca"]),
                compression=compression,
                max_size=None,
            )
        except websockets.InvalidStatusCode as error:
            return {"status": error.status_code, "headers": dict(error.headers.raw_items())}
        headers = self.socket.response_headers
        return {
            "protocol": self.socket.subprotocol or "",
            "cookies": headers.get_all("Set-Cookie"),
            "extensions": headers.get("Sec-WebSocket-Extensions", ""),
        }

    async def send(self, command):
        await self.socket.send(heard(command))
        return {}

    async def fragments(self, command):
        async def pieces():
            parts = command.get("texts") or [base64.b64decode(it) for it in command["base64s"]]
            for i, part in enumerate(parts):
                if i > 0:
                    await self.socket.ping()
                yield part

        await self.socket.send(pieces())
        return {}

    def closed(self):
        rcvd = self.socket.close_code, self.socket.close_reason
        return {"closed": list(rcvd)}

    async def receive(self, _command):
        import websockets

        try:
            return said(await self.socket.recv())
        except websockets.ConnectionClosed:
            return self.closed()

    async def ping(self, command):
        await (await self.socket.ping(heard(command)))
        return {}

    async def close(self, command):
        await self.socket.close(command["code"], command["reason"])
        return self.closed()

    async def abort(self, _command):
        self.socket.transport.abort()
        return {}


class Aiohttp:
    def __init__(self):
        self.last_close = ABNORMAL

    async def open(self, command):
        import aiohttp

        self.types = aiohttp.WSMsgType
        self.session = aiohttp.ClientSession()
        try:
            self.socket = await self.session.ws_connect(
                command["url"],
                protocols=command["protocols"],
                headers=command["headers"],
                ssl=trust(command["ca"]),
                compress=15 if command["deflate"] else 0,
                max_msg_size=0,
                # So that Pongs are seen here; Pings are answered below.
                autoping=False,
            )
        except aiohttp.WSServerHandshakeError as error:
            await self.session.close()
            return {"status": error.status, "headers": dict(error.headers)}
        headers = self.socket._response.headers
        return {
            "protocol": self.socket.protocol or "",
            "cookies": headers.getall("Set-Cookie", []),
            "extensions": headers.get("Sec-WebSocket-Extensions", ""),
        }

    async def send(self, command):
        message = heard(command)
        if isinstance(message, str):
            await self.socket.send_str(message)
        else:
            await self.socket.send_bytes(message)
        return {}

    async def read(self):
        """The next event that is no Ping."""
        while True:
            event = await self.socket.receive()
            if event.type == self.types.PING:
                await self.socket.pong(event.data)
                continue
            if event.type == self.types.CLOSE:
                self.last_close = [event.data, event.extra or ""]
            return event

    async def receive(self, _command):
        event = await self.read()
        if event.type in (self.types.TEXT, self.types.BINARY):
            return said(event.data)
        await self.session.close()
        return {"closed": self.last_close}

    async def ping(self, command):
        payload = heard(command)
        await self.socket.ping(payload)
        event = await self.read()
        if event.type != self.types.PONG or bytes(event.data) != payload:
            raise ValueError(f"no Pong, but {event}")
        return {}

    async def close(self, command):
        await self.socket.close(code=command["code"], message=command["reason"].encode())
        await self.session.close()
        # Of the answer it keeps the code alone.
        return {"closed": [self.socket.close_code, ""]}

    async def abort(self, _command):
        self.socket._response.connection.transport.abort()
        await self.session.close()
        return {}


async def main():
    client = {"websockets": Websockets, "aiohttp": Aiohttp}[sys.argv[1]]()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        try:
            answer = await getattr(client, command["do"])(command)
        except Exception as error:  # The test is told, and fails.
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    # At once: a connection that is open would be waited for.
    os._exit(0)


asyncio.run(main())
