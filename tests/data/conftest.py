"""Small data sets in the real formats, and a web server on this machine to download them from."""

import gzip
import hashlib
import http.server
import struct
import threading
from functools import partial

import numpy as np
import pytest

from cnnbook.data import fashion_mnist


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test sees the data sets of the machine it runs on."""
    monkeypatch.setenv("CNNBOOK_DATA", str(tmp_path / "default root"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")


def idx(array: np.ndarray) -> bytes:
    """`array` in the idx format."""
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def fashion(monkeypatch):
    """Make the four files of a small Fashion-MNIST and have the loader take them for the real."""

    def make(train_per_class=4, test_per_class=2):
        files = {}
        for number, (part, size) in enumerate(
            [("train", train_per_class), ("t10k", test_per_class)]
        ):
            labels = np.random.RandomState(number).permutation(np.repeat(np.arange(10), size))
            images = np.zeros((len(labels), 28, 28), np.uint8)
            # Each image says in its first pixels where it is from.
            images[:, 0, 0], images[:, 0, 1] = number, labels
            images[:, 0, 2], images[:, 0, 3] = np.divmod(np.arange(len(labels)), 256)
            files[f"{part}-images-idx3-ubyte"] = idx(images)
            files[f"{part}-labels-idx1-ubyte"] = idx(labels)
        for name, content in files.items():
            monkeypatch.setitem(fashion_mnist.SHA256, name, hashlib.sha256(content).hexdigest())
        return files

    return make


@pytest.fixture
def store():
    """Write files into a folder, gzipped or plain."""

    def write(files, folder, gz=False):
        folder.mkdir(parents=True)
        for name, content in files.items():
            if gz:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
            else:
                (folder / name).write_bytes(content)

    return write


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def host(tmp_path):
    """A folder, and the address under which a web server on this machine shows it."""
    folder = tmp_path / "host"
    folder.mkdir()
    handler = partial(_QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
