import gzip
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnbook import data
from cnnbook.data import fashion_mnist, storage

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = fashion_mnist.SHA256


def one_line(caught):
    message = str(caught.value)
    assert "\n" not in message
    return message


def assert_is_the_small_set(loaded):
    for number, (part, size) in enumerate(zip(loaded, (40, 20), strict=True)):
        assert part.images.shape == (size, 1, 28, 28)
        assert part.name == "fashion-mnist"
        assert part.classes == fashion_mnist.CLASSES
        assert (part.images[:, 0, 0, 0] == number).all()
        assert torch.equal(part.images[:, 0, 0, 1].long(), part.labels)
        assert part.images[:, 0, 0, 3].tolist() == list(range(size))


@pytest.mark.parametrize("gz", [False, True])
def test_found_in_a_torchvision_root(gz, fashion, store, tmp_path):
    store(fashion(), tmp_path / "FashionMNIST" / "raw", gz)
    assert_is_the_small_set(data.load("fashion-mnist", root=tmp_path, download=False))


def test_found_in_the_default_root(fashion, store, tmp_path):
    store(fashion(), tmp_path / "default root" / "FashionMNIST" / "raw")
    assert_is_the_small_set(data.load("fashion-mnist", download=False))


def test_found_where_debian_has_it(fashion, store, tmp_path):
    store(fashion(), tmp_path / "debian", gz=True)
    assert_is_the_small_set(data.load("fashion-mnist", root=tmp_path / "none", download=False))


def test_an_incomplete_root_is_passed_over(fashion, store, tmp_path):
    files = fashion()
    store(files, tmp_path / "debian", gz=True)
    store({TRAIN_IMAGES: files[TRAIN_IMAGES]}, tmp_path / "FashionMNIST" / "raw")
    assert_is_the_small_set(data.load("fashion-mnist", root=tmp_path, download=False))


def test_torchvision_reads_the_same(fashion, store, tmp_path):
    store(fashion(), tmp_path / "FashionMNIST" / "raw")
    for part, is_train in zip(
        data.load("fashion-mnist", root=tmp_path), (True, False), strict=True
    ):
        theirs = torchvision.datasets.FashionMNIST(tmp_path, train=is_train)
        assert torch.equal(part.images.squeeze(1), theirs.data)
        assert torch.equal(part.labels, theirs.targets)
        assert part.classes == tuple(theirs.classes)


def test_missing_without_download(tmp_path):
    with pytest.raises(data.DataError) as caught:
        data.load("fashion-mnist", root=tmp_path, download=False)
    assert one_line(caught) == (
        f"fashion-mnist is neither in {tmp_path / 'FashionMNIST' / 'raw'} nor in "
        f"{tmp_path / 'debian'}; "
        "allow the download, or apt-get install dataset-fashion-mnist"
    )


@pytest.mark.parametrize("name", fashion_mnist.SHA256)
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda content: b"\0\0\x08\x05" + content[4:], "it begins with 00000805, not 0000080"),
        (lambda content: b"", "it begins with , not 0000080"),
        (lambda content: content[:6], "its header has 6 bytes, not"),
        (lambda content: content[:-1], "values, its header says"),
        (lambda content: content + b"\0", "values, its header says"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "its SHA-256 is wrong"),
    ],
)
def test_a_damaged_file_is_named(name, damage, why, fashion, store, tmp_path):
    files = fashion()
    folder = tmp_path / "FashionMNIST" / "raw"
    store({**files, name: damage(files[name])}, folder)
    with pytest.raises(data.DataError) as caught:
        data.load("fashion-mnist", root=tmp_path)
    message = one_line(caught)
    assert message.startswith(f"{folder / name} is damaged (")
    assert why in message
    assert message.endswith("; delete it and run again")


def test_a_damaged_file_of_debian_is_reinstalled(fashion, store, tmp_path):
    store(fashion(), tmp_path / "debian", gz=True)
    path = tmp_path / "debian" / f"{TEST_LABELS}.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(data.DataError) as caught:
        data.load("fashion-mnist", root=tmp_path)
    message = one_line(caught)
    assert message.startswith(f"{path} is damaged (")
    assert message.endswith("; apt-get install --reinstall dataset-fashion-mnist")


def test_a_file_that_is_no_gzip(fashion, store, tmp_path):
    store(fashion(), tmp_path / "debian", gz=True)
    (tmp_path / "debian" / f"{TRAIN_LABELS}.gz").write_bytes(b"<html>moved</html>")
    with pytest.raises(data.DataError, match=r"is damaged \(Not a gzipped file"):
        data.load("fashion-mnist", root=tmp_path)


@pytest.mark.parametrize(
    ("labels", "why"),
    [(np.full(40, 10), "label 10 of image 0 is outside 0 … 9"), (np.zeros(39), "must be 40 int64")],
)
def test_labels_that_do_not_fit_the_images(labels, why, fashion, store, tmp_path, monkeypatch):
    content = bytes((0, 0, 8, 1)) + struct.pack(">I", len(labels)) + bytes(labels.astype(np.uint8))
    files = {**fashion(), TRAIN_LABELS: content}
    monkeypatch.setitem(fashion_mnist.SHA256, TRAIN_LABELS, hashlib.sha256(content).hexdigest())
    store(files, tmp_path / "FashionMNIST" / "raw")
    with pytest.raises(data.DataError, match=why) as caught:
        data.load("fashion-mnist", root=tmp_path)
    assert f"{TRAIN_LABELS} is damaged" in one_line(caught)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


@settings(max_examples=300, deadline=None)
@given(
    chance=st.randoms(use_true_random=False),
    damage=st.sampled_from(["flip", "truncate", "overwrite"]),
    gz=st.booleans(),
)
def test_any_damage_gives_one_line_or_the_true_values(folder, chance, damage, gz):
    values = np.arange(5 * 28 * 28).reshape(5, 28, 28) % 251
    content = bytes((0, 0, 8, 3)) + struct.pack(">3I", 5, 28, 28) + bytes(values.astype(np.uint8))
    stored = bytearray(gzip.compress(content, mtime=0) if gz else content)
    at = chance.randrange(len(stored))
    if damage == "flip":
        stored[at] ^= 1 << chance.randrange(8)
    elif damage == "truncate":
        del stored[at:]
    else:
        stored[at : at + 50] = chance.randbytes(50)
    path = folder / ("damaged.gz" if gz else "damaged")
    path.write_bytes(stored)
    try:
        read = fashion_mnist.read_idx(path, 3, hashlib.sha256(content).hexdigest())
    except data.DataError as error:
        assert str(error).startswith(f"{path} is damaged (")
        assert "\n" not in str(error)
    else:  # a date in gzip's header, or a bit that fills up its last byte, is not data
        assert gz or bytes(stored) == content
        assert (read.numpy() == values).all()


@pytest.fixture
def served(fashion, host, monkeypatch):
    """The small Fashion-MNIST on a web server, where torchvision will look for it."""
    folder, address = host
    resources = []
    for name, content in fashion().items():
        packed = gzip.compress(content, mtime=0)
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    return folder


@pytest.mark.parametrize("progress", [True, False])
def test_download(progress, served, tmp_path, capsys):
    root = tmp_path / "new" / "root"
    assert_is_the_small_set(data.load("fashion-mnist", root=root, progress=progress))
    assert ("100%" in capsys.readouterr().err) == progress
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    assert sorted(files) == sorted(f"FashionMNIST/raw/{name}" for name in fashion_mnist.SHA256)
    for packed in served.iterdir():
        packed.unlink()
    assert_is_the_small_set(data.load("fashion-mnist", root=root))


def test_download_completes_what_is_missing(served, tmp_path, fashion, store):
    files = fashion()
    store({TRAIN_LABELS: files[TRAIN_LABELS]}, tmp_path / "FashionMNIST" / "raw")
    assert_is_the_small_set(data.load("fashion-mnist", root=tmp_path, progress=False))


def _cut(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("name", [TRAIN_IMAGES, TEST_LABELS])
@pytest.mark.parametrize("spoil", [_cut, lambda path: path.unlink()], ids=["cut", "gone"])
def test_a_failed_download_leaves_nothing(spoil, name, served, tmp_path):
    spoil(served / f"{name}.gz")
    root = tmp_path / "root"
    with pytest.raises(data.DataError) as caught:
        data.load("fashion-mnist", root=root, progress=False)
    message = one_line(caught)
    assert message.startswith("fashion-mnist could not be downloaded (")
    assert "root=… or $CNNBOOK_DATA" in message
    assert list(root.iterdir()) == []


def test_a_host_that_cannot_be_reached(monkeypatch, tmp_path):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
        with pytest.raises(data.DataError, match=r"downloaded \(.*refused"):
            data.load("fashion-mnist", root=tmp_path, progress=False)


def test_a_silent_host_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(storage, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
        with pytest.raises(data.DataError, match=r"downloaded \(.*timed out"):
            data.load("fashion-mnist", root=tmp_path, progress=False)
    assert socket.getdefaulttimeout() is None


def test_an_interrupted_download_leaves_nothing(monkeypatch, tmp_path):
    def interrupted(dataset):
        folder = Path(dataset.raw_folder)
        folder.mkdir(parents=True)
        (folder / TRAIN_IMAGES).write_bytes(b"half a file")
        raise KeyboardInterrupt

    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "download", interrupted)
    root = tmp_path / "root"
    with pytest.raises(KeyboardInterrupt):
        data.load("fashion-mnist", root=root)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("below", ["", "sub/folder"])
def test_a_root_that_is_a_file(below, tmp_path):
    root = tmp_path / "a file"
    root.write_text("kept")
    with pytest.raises(data.DataError) as caught:
        data.load("fashion-mnist", root=root / below)
    message = one_line(caught)
    assert message.startswith(f"{root / below}: cannot store fashion-mnist there (")
    assert "choose another folder" in message
    assert root.read_text() == "kept"


def test_a_target_that_cannot_be_written(served, tmp_path):
    (tmp_path / "FashionMNIST").write_text("kept")
    with pytest.raises(data.DataError, match="cannot be written"):
        data.load("fashion-mnist", root=tmp_path, progress=False)
    assert (tmp_path / "FashionMNIST").read_text() == "kept"
    assert not list(tmp_path.glob(".download-*"))


KILLED = """
import sys
from pathlib import Path
import torchvision
from cnnbook import data
from cnnbook.data import fashion_mnist
fashion_mnist.DEBIAN_FOLDER = Path(sys.argv[2])
torchvision.datasets.FashionMNIST.mirrors = [sys.argv[1]]
data.load("fashion-mnist", root=Path(sys.argv[2]), progress=False)
"""


@pytest.mark.posix("os.killpg")
def test_a_killed_download_leaves_nothing(tmp_path, monkeypatch):
    root = tmp_path / "root"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
        command = [sys.executable, "-c", KILLED, address, str(root)]
        with subprocess.Popen(command, env=environment, start_new_session=True) as process:
            silent.settimeout(900)
            connection, _ = silent.accept()
            with connection:
                assert [path.name[:10] for path in root.iterdir()] == [".download-"]
                os.killpg(process.pid, signal.SIGKILL)
    end = time.monotonic() + 900
    while list(root.iterdir()) and time.monotonic() < end:
        time.sleep(0.02)
    assert list(root.iterdir()) == []


def test_a_forgotten_download_is_cleared_away(served, tmp_path):
    for name, age in ((".download-old", 8), (".download-new", 1)):
        (tmp_path / name).mkdir()
        then = time.time() - age * 24 * 3600
        os.utime(tmp_path / name, (then, then))
    data.load("fashion-mnist", root=tmp_path, progress=False)
    assert [path.name for path in tmp_path.glob(".download-*")] == [".download-new"]


@pytest.mark.parametrize("values", [0, 47_040_000, 2**31])
def test_an_archive_of_gigabytes_is_not_unpacked(values, tmp_path):
    """Whatever its header says, no more is read than a file of the set has."""
    header = bytes((0, 0, 8, 3)) + struct.pack(">3I", 1, 1, values)
    block = gzip.compress(bytes(1 << 26), compresslevel=1, mtime=0)
    path = tmp_path / "bomb.gz"
    with path.open("wb") as file:  # archives one after another are one archive
        file.write(gzip.compress(header))
        for _ in range(32):  # 2 GiB
            file.write(block)
    tracemalloc.start()
    try:
        with pytest.raises(data.DataError) as caught:
            fashion_mnist.read_idx(path, 3, "")
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()
    assert "is damaged (it" in one_line(caught)
