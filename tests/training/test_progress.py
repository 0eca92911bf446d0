import io

import nbformat
from nbclient import NotebookClient

from cnnbook.training.run import progress_bar


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def run_bar(shown=True):
    with progress_bar(shown) as bar:
        bar.reset(1000)
        for _ in range(10):
            bar.update(100)
        bar.set_postfix_str("loss 0.500")


def test_a_terminal_shows_the_share_done_the_speed_and_the_loss(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run_bar()
    last = terminal.getvalue().splitlines()[-1]
    assert "100%" in last and "1000/1000" in last and "images/s" in last and "loss 0.500" in last


def test_progress_can_be_switched_off(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    run_bar(shown=False)
    assert terminal.getvalue() == ""


def test_a_pipe_or_a_log_file_gets_none(capsys):
    run_bar()
    assert capsys.readouterr() == ("", "")


def test_a_notebook_keeps_one_line(tmp_path):
    code = """
from cnnbook.training.run import progress_bar
print("before")
with progress_bar(True) as bar:
    bar.reset(1000)
    for _ in range(10):
        bar.update(100)
        bar.refresh()
print("after")
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(notebook, timeout=900).execute()
    before, line, after = notebook.cells[0].outputs
    assert (before.text, after.text) == ("before\n", "after\n")
    assert list(line.data) == ["text/plain"]
    text = line.data["text/plain"]
    assert text.startswith("100%") and "1000/1000" in text and "\n" not in text
