"""Ask every address of another host in the built pages for an answer; exit 1 if one fails."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 30  # seconds
# Publishers turn programs away with these; the address exists.
REFUSED = {401, 403, 405, 418, 429}


def external(html: Path) -> dict[str, str]:
    """The addresses of other hosts in the pages under `html`, each with a page that names it."""
    found: dict[str, str] = {}
    for page in sorted(html.rglob("*.html")):
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for link in soup.select("a[href^=http]"):
            found.setdefault(link["href"].partition("#")[0], page.relative_to(html).as_posix())
    return found


def fault(address: str) -> str | None:
    """Why `address` leads nowhere, or None if it answers."""
    try:
        with urlopen(Request(address, headers={"User-Agent": "Mozilla/5.0"}), timeout=TIMEOUT):
            return None
    except HTTPError as error:
        return None if error.code in REFUSED else f"status {error.code}"
    except OSError as error:  # no such host, no answer in time
        return str(error)


def main() -> int:
    html = ROOT / "_build" / "html"
    if not (html / "index.html").exists():
        print("no built book in _build/html: run `make book` first", file=sys.stderr)
        return 2
    pages = external(html)
    with ThreadPoolExecutor(8) as pool:
        faults = list(zip(pages, pool.map(fault, pages), strict=True))
    broken = [(address, why) for address, why in faults if why]
    for address, why in broken:
        print(f"{pages[address]}: {address}: {why}")
    print(f"{len(pages)} addresses, {len(broken)} without an answer")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
