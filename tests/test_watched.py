"""A slow cell is no error; a kernel that only waits is one, and its cell is named."""

import socket

import pytest
import watched
import yaml
from jupyter_client.connect import LocalPortCache
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr(watched, "IDLE", 0.03)  # of a core: its neighbours keep it from more

    def make(*cells):
        notebook = new_notebook(cells=[new_markdown_cell("# A page"), *map(new_code_cell, cells)])
        found = watched.WatchedClient(notebook, "chapters/one.ipynb", kernel_name="python3")
        found.still, found.looks, found.slow = 6.0, 1.0, 3.0
        return found

    return make


def test_a_kernel_that_only_waits_is_stopped_and_its_cell_named(client):
    with pytest.raises(watched.Stuck) as error:
        client("x = 1", "# for ever\nimport time; time.sleep(10_000)").execute()
    assert str(error.value) == (
        "chapters/one.ipynb, cell 3 of 3 (import time; time.sleep(10_000)): "
        "its kernel neither printed nor computed for 0.1 minutes"
    )


def test_work_and_words_take_as_long_as_they_take(client, capfd):
    """Longer than a still kernel is given, one with words alone and one with work alone."""
    words = "import time\nfor i in range(16):\n    print(i, flush=True); time.sleep(0.5)"
    work = "end = time.monotonic() + 8\nwhile time.monotonic() < end: pass"
    notebook = client(words, work).execute()
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2]
    out = capfd.readouterr().err
    assert "chapters/one.ipynb, cell 2 of 3 (import time): " in out
    assert "chapters/one.ipynb, cell 3 of 3 (end = time.monotonic() + 8): " in out


def test_a_port_that_another_process_took_first_is_no_error(client, monkeypatch):
    given, find = [], LocalPortCache.find_available_port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]

        def first_taken(cache, ip):
            given.append(find(cache, ip) if given else taken)
            return given[-1]

        monkeypatch.setattr(LocalPortCache, "find_available_port", first_taken)
        notebook = client("1 + 1").execute()
    assert notebook.cells[1].outputs[0]["data"]["text/plain"] == "2"
    assert given[0] == taken and len(given) == 10  # a kernel has five ports


def test_no_limit_of_time_stands_anywhere(pytestconfig):
    config = yaml.safe_load((pytestconfig.rootpath / "_config.yml").read_text("utf-8"))
    assert config["execute"]["timeout"] == -1
    makefile = (pytestconfig.rootpath / "Makefile").read_text("utf-8")
    assert "--nbval-cell-timeout=3600" in makefile
