"""An HTTP server on loopback that can be told to misbehave, and archives to serve."""

import http.server
import io
import re
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `content`; `plan` has a status, or bytes to stop after, for each next request."""

    plan: list[int] = []
    content = b""
    lie = 0  # bytes that the length is given too large
    ranges = True
    slow = 0.0
    asked: list[str | None] = []

    def do_GET(self):
        asked = self.headers.get("Range")
        type(self).asked.append(asked)
        now = type(self).plan.pop(0) if type(self).plan else len(self.content)
        if 300 < now < 600:
            self.send_response(now)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(re.findall(r"\d+", asked)[0]) if asked and self.ranges else 0
        if start >= len(self.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.content)}")
            self.end_headers()
            return
        self.send_response(206 if asked and self.ranges else 200)
        self.send_header("Content-Length", str(len(self.content) - start + self.lie))
        if asked and self.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.end_headers()
        body = self.content[start : start + now]
        for first in range(0, len(body), 2**18):
            self.wfile.write(body[first : first + 2**18])
            time.sleep(self.slow)

    def log_message(self, *arguments):
        pass


@contextmanager
def serving(content: bytes) -> Iterator[tuple[str, type[Handler]]]:
    """A server's address and the handler that steers it."""

    class Mine(Handler):
        plan, asked = [], []

    Mine.content = content
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", Mine
    finally:
        server.shutdown()
        server.server_close()


def zipped(root: Path, below: str = "") -> bytes:
    """A zip of all files below `root`, in a folder `below` if it has a name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            archive.write(path, Path(below) / path.relative_to(root))
    return file.getvalue()


def tarred(root: Path, below: str = "") -> bytes:
    """The same as tar.gz."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(root, below or ".")
    return file.getvalue()
