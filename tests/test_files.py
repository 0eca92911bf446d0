"""Files that are there whole or not at all, and what is said beforehand where they cannot be."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from cnnbook._files import check_file, check_folder, write_whole


@pytest.fixture
def full(monkeypatch):
    """A disk on which there is no room."""

    def fallocate(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fallocate, raising=False)


@pytest.mark.posix("os.mkfifo")
def test_a_target_that_is_none(tmp_path, full, error_of):
    (tmp_path / "folder").mkdir()
    (tmp_path / "fixed").write_text("kept", encoding="utf-8")
    (tmp_path / "fixed").chmod(0o444)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "nowhere").symlink_to("/no/such/folder/file")
    for name, why in {
        "folder": "it is a folder",
        "fixed": "it is read-only",
        "pipe": "it is a device or a pipe, not a file",
        "no/file": f"{tmp_path / 'no'} is no folder",
        "fixed/file": f"{tmp_path / 'fixed'} is no folder",
        "nowhere": "/no/such/folder is no folder",
        "file": "No space left on device",
        300 * "x": "File name too long",
    }.items():
        assert error_of(check_file, tmp_path / name) == f"cannot write {tmp_path / name}: {why}"
    assert "it is a device" in error_of(check_file, "/dev/null")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fixed", "folder", "nowhere", "pipe"]


def test_a_folder_that_is_none(tmp_path, full, error_of):
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    message = error_of(check_folder, tmp_path / "file" / "below")
    assert (
        message
        == f"cannot write into {tmp_path / 'file' / 'below'}: {tmp_path / 'file'} is no folder"
    )
    assert "No space left" in error_of(check_folder, tmp_path / "new")
    assert "must not be empty" in error_of(check_folder, "")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_can_be_written_is_left_as_it_was(tmp_path):
    path = tmp_path / "file"
    check_file(path, 1000)
    check_folder(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    path.write_text("kept", encoding="utf-8")
    check_file(path)
    assert path.read_text(encoding="utf-8") == "kept"


def test_a_name_as_long_as_they_may_be(tmp_path):
    path = tmp_path / (251 * "x" + ".csv")
    check_file(path)
    write_whole(path, lambda part: part.write_text("new", encoding="utf-8"))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to("disk/file")
    for text in ("first", "second"):  # a dangling one at first
        write_whole(link, lambda part, text=text: part.write_text(text, encoding="utf-8"))
        assert link.is_symlink()
        assert (tmp_path / "disk" / "file").read_text(encoding="utf-8") == text
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["file"]


@pytest.mark.posix("os.mkfifo")
def test_a_device_and_a_pipe_are_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, lambda part: part.write_text("through", encoding="utf-8"))
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    write_whole("/dev/null", lambda part: part.write_text("gone", encoding="utf-8"))
    assert stat.S_ISFIFO(pipe.stat().st_mode) and stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_many_may_write_one_file_at_once(tmp_path):
    """Each call ends well, and whoever reads finds one writer's text, whole."""
    path = tmp_path / "file"

    def write(letter):
        for _ in range(50):
            write_whole(path, lambda part: part.write_text(100_000 * letter, encoding="utf-8"))
            text = path.read_text(encoding="utf-8")
            assert len(text) == 100_000 and len(set(text)) == 1
            check_file(path)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_writer_left_is_written_over(tmp_path):
    (tmp_path / ".part-file").write_text("half a", encoding="utf-8")
    write_whole(tmp_path / "file", lambda part: part.write_text("new", encoding="utf-8"))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_permissions_stay(tmp_path):
    path = tmp_path / "file"
    path.touch(0o600)
    write_whole(path, lambda part: part.write_text("new", encoding="utf-8"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_error_names_the_file_that_was_asked_for(tmp_path, error_of):
    message = error_of(write_whole, tmp_path / "no" / "file", lambda part: part.write_text("x"))
    assert str(tmp_path / "no" / "file") in message
