"""Speaks to an echo server through the package websockets, and prints what it saw as JSON.

    echo_client.py URL check    reads samples as JSON from stdin; prints one object
    echo_client.py URL wait     prints "open", and then the Close that the server sends
"""

import asyncio
import hashlib
import json
import sys

import websockets


def pattern(size):
    return bytes((i * 7 + (i >> 8)) & 0xFF for i in range(size))


def digest(message):
    if isinstance(message, str):
        return "a text"
    return [len(message), hashlib.sha256(message).hexdigest()]


async def echoed(client, message):
    await client.send(message)
    return await client.recv()


async def pieces(parts):
    """A message in fragments: one for each part."""
    for part in parts:
        yield part


async def closed_by_server(client):
    try:
        await client.recv()
    except websockets.ConnectionClosed as error:
        return [error.rcvd.code, error.rcvd.reason]
    return "a message"


async def talk(client, number, texts):
    received = []
    for text in texts:
        await client.send(f"{number}: {text}")
    for _ in texts:
        received.append(await client.recv())
    return received


async def check(url, samples):
    seen = {}
    async with websockets.connect(url, max_size=None) as client:
        seen["texts"] = [await echoed(client, text) for text in samples["texts"]]
        seen["binaries"] = [
            digest(await echoed(client, pattern(size))) for size in samples["sizes"]
        ]
        seen["textFragments"] = await echoed(client, pieces(["Kö", "", "ln ", "日本語"]))
        whole = pattern(200_000)
        seen["binaryFragments"] = digest(
            await echoed(client, pieces([whole[:70_000], b"", whole[70_000:]]))
        )
        pongs = []
        for payload in (b"", b"\x00\xff\x80", pattern(125)):
            # The future is done when a Pong with exactly this payload has come.
            await (await client.ping(payload))
            pongs.append(len(payload))
        seen["pongs"] = pongs
        for text in samples["hundred"]:
            await client.send(text)
        seen["hundred"] = [await client.recv() for _ in samples["hundred"]]

    async with websockets.connect(url) as first, websockets.connect(url) as second:
        seen["pair"] = await asyncio.gather(
            talk(first, 0, samples["hundred"]), talk(second, 1, samples["hundred"])
        )

    seen["closes"] = []
    for code, reason in samples["closes"]:
        async with websockets.connect(url) as client:
            await client.close(code, reason)
            seen["closes"].append([client.close_code, client.close_reason])

    async with websockets.connect(url) as client:
        await client.send(bytes(samples["tooLarge"]))
        seen["tooLarge"] = await closed_by_server(client)
    return seen


async def wait(url):
    async with websockets.connect(url) as client:
        print("open", flush=True)
        return await closed_by_server(client)


async def main():
    url, command = sys.argv[1:]
    seen = await (wait(url) if command == "wait" else check(url, json.load(sys.stdin)))
    print(json.dumps(seen))


asyncio.run(main())
