"""A server whose connections do what their client tells them, and that prints what it sees.

    driven_server.py websockets | aiohttp [CERTIFICATE_AND_KEY]

Prints {"url"} when it listens, and {"closed": [code, reason], "path"} for each connection that
ended, by the Close that came; 1006 says that none came. It ends with its stdin.

A text that begins with "!" is a command: its JSON has
    {"do": "describe"}                      answered by {"path", "protocol", "headers": {}}
    {"do": "close", "code", "reason"}       starts the closing handshake
    {"do": "abort"}                         drops the connection
    {"do": "fragments", "texts"}            sends one text in fragments, with a Ping before each but
    {"do": "fragments", "base64s"}          the first (or a binary)
    {"do": "ping"}                          answered by "ponged" when the Pong has come
Every other message is sent back. A path of /401 is refused so. Of subprotocols, "chat.v2" is spoken.
"""

import asyncio
import base64
import http
import json
import ssl
import sys

PROTOCOLS = ["chat.v2"]
REFUSAL = {"WWW-Authenticate": 'Basic realm="tests"'}
ABNORMAL = [1006, ""]


def tell(what):
    print(json.dumps(what), flush=True)


def tell_address(server, secure):
    port = server.sockets[0].getsockname()[1]
    tell({"url": f"{'wss' if secure else 'ws'}://127.0.0.1:{port}"})


def parts_of(command):
    return command.get("texts") or [base64.b64decode(part) for part in command["base64s"]]


async def serve_websockets(context):
    import websockets

    async def refuse(path, _headers):
        if path == "/401":
            return http.HTTPStatus.UNAUTHORIZED, REFUSAL, b"who are you?\n"
        return None

    async def obey(socket, command):
        async def pieces():
            for i, part in enumerate(parts_of(command)):
                if i > 0:
                    await socket.ping()
                yield part

        what = command["do"]
        if what == "describe":
            seen = {
                "path": socket.path,
                "protocol": socket.subprotocol or "",
                "headers": {name.lower(): value for name, value in socket.request_headers.raw_items()},
            }
            await socket.send(json.dumps(seen))
        elif what == "close":
            await socket.close(command["code"], command["reason"])
        elif what == "abort":
            socket.transport.abort()
        elif what == "fragments":
            await socket.send(pieces())
        elif what == "ping":
            await (await socket.ping())
            await socket.send("ponged")

    async def handle(socket):
        try:
            async for message in socket:
                if isinstance(message, str) and message.startswith("!"):
                    await obey(socket, json.loads(message[1:]))
                else:
                    await socket.send(message)
        except websockets.ConnectionClosed:
            pass
        await socket.wait_closed()
        tell({"closed": [socket.close_code, socket.close_reason], "path": socket.path})

    server = await websockets.serve(
        handle,
        "127.0.0.1",
        0,
        ssl=context,
        subprotocols=PROTOCOLS,
        process_request=refuse,
        max_size=None,
    )
    tell_address(server, context is not None)


async def serve_aiohttp(context):
    from aiohttp import WSMsgType, web

    async def obey(socket, request, command):
        what = command["do"]
        if what == "describe":
            seen = {
                "path": request.path_qs,
                "protocol": socket.ws_protocol or "",
                "headers": {name.lower(): value for name, value in request.headers.items()},
            }
            await socket.send_str(json.dumps(seen))
        elif what == "close":
            await socket.close(code=command["code"], message=command["reason"].encode())
            # Of the answer it keeps the code alone.
            return [socket.close_code, ""]
        elif what == "abort":
            request.transport.abort()
        elif what == "ping":
            await socket.ping(b"are you there")
        return ABNORMAL

    async def handle(request):
        if request.path == "/401":
            return web.Response(status=401, headers=REFUSAL, text="who are you?\n")
        # Pings are answered below: so Pongs are seen here.
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0, autoping=False)
        await socket.prepare(request)
        last_close = ABNORMAL
        while True:
            event = await socket.receive()
            if event.type == WSMsgType.TEXT and event.data.startswith("!"):
                last_close = await obey(socket, request, json.loads(event.data[1:]))
            elif event.type == WSMsgType.TEXT:
                await socket.send_str(event.data)
            elif event.type == WSMsgType.BINARY:
                await socket.send_bytes(event.data)
            elif event.type == WSMsgType.PING:
                await socket.pong(event.data)
            elif event.type == WSMsgType.PONG:
                if bytes(event.data) == b"are you there":
                    await socket.send_str("ponged")
            else:
                if event.type == WSMsgType.CLOSE:
                    last_close = [event.data, event.extra or ""]
                break
        tell({"closed": last_close, "path": request.path})
        return socket

    application = web.Application()
    application.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    tell_address(site._server, context is not None)


async def main():
    library, *files = sys.argv[1:]
    context = None
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files[0])
    await {"websockets": serve_websockets, "aiohttp": serve_aiohttp}[library](context)
    # Until the test is over.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
