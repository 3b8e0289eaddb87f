"""What a command shows while it works: a line from time to time, or lines that are redrawn in a terminal."""

import io
import re
import sys
import threading
import time

import pytest

from lfnet.jobs.display import Display, Silent
from lfnet.jobs.job import run
from lfnet.jobs.session import Session
from lfnet.jobs.sweep_display import SweepDisplay
from lfnet.training.epoch_log import TrainingState
from tests.composing import SMALL, composed

STATE = TrainingState(2, 4, 0.25, "dev mae", 8.31, 8.2, 1, 61.0)


class Terminal(io.StringIO):
    """A terminal, of which `screen` shows what is left of all that was written."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines: list[str] = []
        for part in re.split(r"(\x1b\[\d+F)", self.getvalue().replace("\x1b[0J", "")):
            if found := re.fullmatch(r"\x1b\[(\d+)F", part):
                del lines[len(lines) - int(found[1]) :]
            else:
                lines += part.splitlines()
        return lines


def wait_for(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    assert holds()


def test_without_a_terminal_a_line_comes_from_time_to_time():
    stream = io.StringIO()
    with Display(stream, every=0.01) as display:
        display.training("ldbm, seed 0")(STATE)
        wait_for(lambda: stream.getvalue().count("\n") >= 2)
    assert set(stream.getvalue().splitlines()) == {
        "ldbm, seed 0: epoch 2 of 4, dev mae 8.31 (best 8.20 in epoch 1), at most 61 s left"
    }
    quick = io.StringIO()
    with Display(quick) as display:
        display.training("ldbm, seed 0")(STATE)
    assert quick.getvalue() == ""


def test_in_a_terminal_lines_are_redrawn_and_nothing_is_left(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    with Display(terminal) as display:
        display.phase("scoring")
        assert terminal.screen() == ["scoring"]
        display.training("ldbm, seed 0")(STATE)
        wait_for(lambda: "epoch 2 of 4" in "".join(terminal.screen()))
        assert len(terminal.screen()) == 1 and terminal.screen()[0].startswith("[#####....")
        assert len(terminal.screen()[0]) < 60
        display.print("a line that stays")
        assert terminal.screen() == []
        with display.paused():
            display.phase("hidden")
            time.sleep(0.6)
            assert terminal.screen() == []
        display.phase("shown")
        assert terminal.screen() == ["shown"]
    assert terminal.screen() == [] and capsys.readouterr().out == "a line that stays\n"
    assert "lfnet display" not in {thread.name for thread in threading.enumerate()}


def test_what_others_write_stays_above(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Display() as display:
        display.phase("scoring")
        print("warning: 3 clips", file=sys.stderr)
        wait_for(lambda: terminal.screen() == ["warning: 3 clips", "scoring"])
        print("waiting", end="", file=sys.stderr)
        time.sleep(0.6)
        assert terminal.screen() == ["warning: 3 clips", "waiting"]
        print(" for x", file=sys.stderr)
        wait_for(lambda: terminal.screen()[-1] == "scoring")
        with display.paused():
            print("a bar", end="\r", file=sys.stderr)
        display.phase("done")
        assert "done" in "".join(terminal.screen())
    assert sys.stderr is terminal


def test_a_sweep_shows_its_rows_what_runs_and_how_long_it_takes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    terminal = Terminal()
    names = {"a": "head=ldbm seed=0", "b": "head=tcn seed=0", "c": "head=ldbm seed=1"}
    with SweepDisplay(terminal) as display:
        display.begin(names, side_by_side=1)
        display.training("ldbm, seed 0")(STATE)
        display.end("a", 7.25, "test MAE")
        display.end("b", None)
        wait_for(lambda: "2 of 3" in "".join(terminal.screen()))
        *rows, done, now = terminal.screen()
        assert rows == ["           jobs    test MAE so far", "head=ldbm  1 of 2  7.25", "head=tcn   1 of 1  -"]
        assert re.fullmatch(r"\[#{13}\.{7}\] 2 of 3 jobs done, about \d+ s left", done)
        assert now.startswith("ldbm, seed 0: epoch 2 of 4, dev mae 8.31 ")
        display.begin(names, side_by_side=2)
        assert display.line() == "0 of 3 jobs done; running: head=ldbm seed=0, head=tcn seed=0"
        display.begin(names, side_by_side=None)
        assert display.line() == "0 of 3 jobs done"
    assert terminal.screen() == []


@pytest.mark.parametrize("words", ["trainer.max_epochs=3 trainer.patience=9", "tune=2 trainer.max_epochs=1"])
def test_a_job_tells_each_epoch_and_its_numbers_do_not_change(words, tmp_path, capsys):
    files = []
    for display in (None, Display(io.StringIO(), every=0.001)):
        session, root = Session(), tmp_path / str(len(files))
        job = composed(*SMALL, *words.split(), "head=mean_mlp", "head.dropout=0.3", root=root)
        if display is None:
            assert type(session.display) is Silent
            outcome = run(*job, session)
        else:
            with session.shown_by(display):
                outcome = run(*job, session)
            assert type(session.display) is Silent
            shown = display._stream.getvalue()
        folder = root / "runs" / outcome.run
        files.append([(folder / name).read_bytes() for name in ("predictions.csv", "metrics.csv")])
        log = (folder / "train.log").read_text()
        if "tune" not in words:
            numbers = re.findall(r"INFO epoch (\d) of 3, dev mae [\d.]+ \(best [\d.]+ in epoch \d\)\n", log)
            assert numbers == ["1", "2", "3"], log
            rows = (folder / "metrics.csv").read_text().splitlines()
            assert len(rows) == 4 and not any(",," in row for row in rows), "a whole row an epoch"
    assert files[0] == files[1]
    assert "mean_mlp, seed 0" in shown and "epoch 1 of" in shown
    if "tune" in words:
        assert "trial 1 of 2" in shown
    assert "epoch" not in capsys.readouterr().err
