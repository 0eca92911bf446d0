"""Firefox for Playwright: a relay between the two that answers the one command Firefox lacks.

Playwright drives Mozilla's own builds by WebDriver BiDi, and for every window says which media
features it overrides. Firefox 153, Debian's, does not know that command, and no window opens. It
is answered here where nothing is overridden; all else goes through, both ways.

Playwright starts this in Firefox's place: firefox.py PATH-OF-FIREFOX, then Firefox's arguments.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler, websocket_connect

LARGEST = 2**30  # bytes of a message: screenshots and what a page gives back come in one
COMMAND = "emulation.setMediaFeaturesOverride"


def answer(message: str) -> str | None:
    """What Firefox would answer if it knew the command; None for any other, and for an override."""
    command = json.loads(message)
    if command["method"] != COMMAND or any(command["params"]["features"].values()):
        return None
    return json.dumps({"type": "success", "id": command["id"], "result": {}})


class Relay(WebSocketHandler):
    def initialize(self, address: str):
        self.address = address

    async def open(self):
        self.firefox = await websocket_connect(self.address, max_message_size=LARGEST)
        self.answers = asyncio.create_task(self.back())

    async def back(self):
        while (message := await self.firefox.read_message()) is not None:
            try:
                await self.write_message(message)
            except WebSocketClosedError:  # Playwright has gone
                return
        self.close()

    async def on_message(self, message):
        if (found := answer(message)) is not None:
            await self.write_message(found)
        else:
            await self.firefox.write_message(message)

    def on_close(self):
        self.firefox.close()


def listen(address: str) -> int:
    """Relay whoever comes to `address`; the port to come to."""
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(
        Application([("/session", Relay, {"address": address})], websocket_max_message_size=LARGEST)
    )
    server.add_sockets(sockets)
    return sockets[0].getsockname()[1]


async def main(path: str, *arguments: str) -> int:
    """Run Firefox, and say the relay's address in place of its own."""
    process = await asyncio.create_subprocess_exec(path, *arguments, stderr=asyncio.subprocess.PIPE)
    async for line in process.stderr:
        text = line.decode(errors="replace")
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", text):
            port = listen(f"{found[1]}/session")
            text = f"WebDriver BiDi listening on ws://127.0.0.1:{port}\n"
        print(text, end="", file=sys.stderr, flush=True)
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
