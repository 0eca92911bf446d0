"""Firefox for Playwright: a relay between the two that stands in for commands Firefox lacks.

Playwright drives Mozilla's own builds by WebDriver BiDi, and tells every browser and window more
than Debian's Firefox knows; at the first unknown command no window opens. Where Firefox says that
it does not know one of `STAND_INS`, its answer is given here instead; all else goes through, both
ways.

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
# What changes nothing here if it is not done: keeping the bodies of responses, and what is
# downloaded, for which no test asks; the screen's size and its turn, for which no page does.
STAND_INS = {
    "network.addDataCollector": {"collector": "none"},
    "browser.setDownloadBehavior": {},
    "emulation.setScreenOrientationOverride": {},
    "emulation.setScreenSettingsOverride": {},
    "emulation.setMediaFeaturesOverride": {},  # only if it overrides none
}


def stand_in(message: str) -> tuple[int, dict] | None:
    """A command's number, and what to answer should Firefox not know it; None for any other."""
    command = json.loads(message)
    features = command.get("params", {}).get("features", {})
    if command["method"] not in STAND_INS or any(features.values()):
        return None
    return command["id"], STAND_INS[command["method"]]


def answered(message: str, waiting: dict[int, dict]) -> str:
    """Firefox's message, or what stands in for it: `waiting` are answers by a command's number."""
    if not waiting:
        return message
    found = json.loads(message)
    result = waiting.pop(found.get("id"), None)
    if result is None or found.get("error") != "unknown command":
        return message
    return json.dumps({"type": "success", "id": found["id"], "result": result})


class Relay(WebSocketHandler):
    def initialize(self, address: str):
        self.address = address
        self.waiting: dict[int, dict] = {}

    async def open(self):
        self.firefox = await websocket_connect(self.address, max_message_size=LARGEST)
        self.answers = asyncio.create_task(self.back())

    async def back(self):
        while (message := await self.firefox.read_message()) is not None:
            try:
                await self.write_message(answered(message, self.waiting))
            except WebSocketClosedError:  # Playwright has gone
                return
        self.close()

    async def on_message(self, message):
        if (found := stand_in(message)) is not None:
            self.waiting.update([found])
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
