"""`lfnet evidence`: intervals, comparisons and verdicts for the scores of any tool."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import command_parser
from lfnet.errors import LfnetError
from lfnet.files import user_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OPTIONS", "main"]

DESCRIPTION = """\
Evaluate a table of labels and scores from any tool: metrics with intervals over people, comparisons with references,
and verdicts. One row is a recording (or a clip or window of one: rows of a recording are averaged). Models are columns
(wide) or rows with a model column (long). Columns that are not named are guessed, and the guess is printed."""
EPILOG = f"""\
examples:
  lfnet evidence predictions.csv
  lfnet evidence scores.csv --label bdi --score ridge --score lstm --person subject --against ridge
  lfnet evidence long.csv --model method --seed run --recording session --margin 2 --csv evidence.csv
  lfnet evidence scores.csv --split partition --on dev --json
  lfnet evidence predictions.csv --cutoff 14 20 --threshold dev

Labels that are all 0 or 1 have AUROC, Brier score and calibration without --cutoff.
Rows of the split "train" give the baselines train_mean and train_median; they are not scored.

{RESEARCH_ONLY}
"""

# Column names that are taken for each role, in lower case; - and spaces count as _.
_KNOWN = {
    "label": "label y y_true true truth target ground_truth score_true bdi bdi_ii phq8 phq_8 phq9 phq_9 hamd",
    "person": "person person_id subject subject_id participant participant_id patient patient_id speaker speaker_id",
    "recording": "recording recording_id session session_id video video_id file filename",
    "model": "model model_name method system head",
    "seed": "seed random_seed",
    "split": "split partition subset",
}
_SCORES = ("score", "prediction", "predicted", "pred", "y_pred", "estimate")
_ROLES = ("label", "score", "person", "recording", "model", "seed", "split")
OPTIONS = (*(f"--{role}" for role in _ROLES), "--on", "--against", "--margin", "--level", "--json", "--csv", "--help")


def main(argv: list[str]) -> int:
    """Run `lfnet evidence ARGV`; returns the exit status. Raises `LfnetError` for mistakes."""
    options = _parser().parse_args(argv)
    source = user_path(options.file)
    target = user_path(options.csv) if options.csv else None
    if target is not None and target.exists() and target.resolve() == source.resolve():
        raise LfnetError(f"--csv {options.csv} would replace the scores: give another file.")
    frame = _read(source)
    roles, notes = _roles(frame, options)
    if "level" in frame and (frame["level"] == "recording").any() and "level" not in roles["score"]:
        frame = frame[frame["level"] == "recording"]
        notes.append("rows: level recording")
    from lfnet.cohorts.validation import SPLIT_ALIASES
    from lfnet.evaluation.evaluator import evaluate

    labels = _numeric(frame, roles["label"][0])
    scores = {name: _numeric(frame, name) for name in roles["score"]}
    columns: dict[str, Any] = {role: frame[roles[role][0]].to_numpy() for role in _ROLES[2:] if roles[role]}
    if "split" in columns:
        columns["split"] = [SPLIT_ALIASES.get(name.lower(), name.lower()) for name in columns["split"]]
    for role in ("person", "recording"):
        _refuse_blanks(frame, roles[role])
    chosen = {name: getattr(options, name) for name in ("on", "against", "level", "margin", "cutoff", "threshold")}
    found = evaluate(labels, scores, **columns, **chosen)
    if target is not None:
        from lfnet.files import write_text
        from lfnet.text import spreadsheet_cell

        table = found.to_frame().map(lambda cell: spreadsheet_cell(cell) if isinstance(cell, str) else cell)
        write_text(target, table.to_csv(index=False, lineterminator="\n"), personal=False)
    if options.json:
        used = {role: list(names) for role, names in roles.items()}
        print(json.dumps({"columns": used, **found.to_json()}, indent=2, allow_nan=False))
        return 0
    print("; ".join([*_columns_text(frame, roles), *notes]))
    print(f"\n{found!r}\n{RESEARCH_ONLY}")
    if target is not None:
        print(f"written: {target}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "evidence",
        DESCRIPTION,
        EPILOG,
        usage="lfnet evidence FILE.csv [--label COL] [--score COL ...] [--person COL] [options]",
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE.csv", help="a table with a header; columns separated by , ; or tab")
    columns = parser.add_argument_group("columns")
    columns.add_argument("--label", metavar="COL", help="observed values, empty where unknown")
    columns.add_argument("--score", metavar="COL", nargs="+", action="extend", help="predicted values, one per model")
    columns.add_argument("--person", metavar="COL", help="the person of each row: the unit that is resampled")
    columns.add_argument("--recording", metavar="COL", help="the recording of each row (default: a row is one)")
    columns.add_argument("--model", metavar="COL", help="the model of each row, in long tables")
    columns.add_argument("--seed", metavar="COL", help="the training seed of each row, in long tables")
    columns.add_argument("--split", metavar="COL", help="the split of each row (train, dev, test)")
    statistics = parser.add_argument_group("statistics")
    statistics.add_argument("--on", metavar="SPLIT", help="the split to evaluate (test)")
    statistics.add_argument(
        "--against", metavar="NAME", nargs="+", action="extend", help="models to compare with (train_median)"
    )
    statistics.add_argument("--margin", type=float, default=1.0, help="difference in MAE that does not matter (1)")
    statistics.add_argument(
        "--cutoff",
        metavar="N",
        type=float,
        nargs="+",
        action="extend",
        help="labels from it on are positive (AUROC, …)",
    )
    statistics.add_argument(
        "--threshold",
        choices=("cutoff", "dev", "dev90"),
        default="cutoff",
        help="scores that count as positive: from the cut-off on, or chosen on split dev (dev90: 90 %% sensitivity)",
    )
    statistics.add_argument("--level", type=float, default=0.95, help="of the intervals (0.95)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--csv", metavar="OUT", help="write all numbers to a CSV file, one row per metric")
    return parser


def _read(path: Path) -> "pd.DataFrame":
    """The table as texts, so that the ids 001 and 1 stay two."""
    from lfnet.cohorts.csvfile import read_table

    frame = read_table(path, rename=False)
    if not len(frame):
        raise LfnetError(f"{path} has no rows.")
    return frame


def _roles(frame: "pd.DataFrame", options: argparse.Namespace) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The columns of each role, given or guessed; notes on what is not there."""
    columns = list(frame.columns)
    roles: dict[str, tuple[str, ...]] = {}
    for role in _ROLES:
        given = getattr(options, role)
        names = tuple([given] if isinstance(given, str) else given or ())
        for name in names:
            if name not in columns:
                raise LfnetError(f"--{role} {name}: there is no such column. Columns: {', '.join(columns)}.")
        roles[role] = names
    taken = {name for names in roles.values() for name in names}
    for role, known in _KNOWN.items():
        if not roles[role]:
            roles[role] = _one(role, [name for name in columns if _plain(name) in known.split() and name not in taken])
            taken.update(roles[role])
    if not roles["label"]:
        raise LfnetError(f"no column looks like the label: name it with --label. Columns: {_listed(columns)}.")
    if not roles["score"]:
        roles["score"] = _guess_scores(frame, [name for name in columns if name not in taken])
    if roles["label"][0] in roles["score"]:
        raise LfnetError(f"--score {roles['label'][0]} is the label: name the columns of predicted values.")
    if not roles["recording"] and (roles["model"] or roles["seed"]):
        raise LfnetError("rows of several models or seeds need the recording of each row: name it with --recording.")
    notes = [] if roles["person"] else ["no person: each recording counts as a person of its own (--person)"]
    return roles, notes


def _one(role: str, found: Sequence[str]) -> tuple[str, ...]:
    if len(found) > 1:
        raise LfnetError(f"several columns may be the {role}: {', '.join(found)}. Name it with --{role}.")
    return tuple(found)


def _guess_scores(frame: "pd.DataFrame", left: Sequence[str]) -> tuple[str, ...]:
    known = [name for name in left if _plain(name) in _SCORES]
    known = known or [name for name in left if any(_plain(name).startswith(f"{word}_") for word in _SCORES)]
    if known:
        return tuple(known)
    numeric = [name for name in left if _is_numeric(frame[name])]
    if not numeric:
        raise LfnetError(
            f"no column looks like scores: name them with --score. Columns: {_listed(list(frame.columns))}."
        )
    raise LfnetError(
        f"which columns are scores? Numbers are in {_listed(numeric)}: name them with --score, as in "
        f"`--score {numeric[0]}`."
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def _listed(names: Sequence[str], shown: int = 12) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(list(names)[:shown]) + more


def _is_numeric(column: "pd.Series[str]") -> bool:
    import pandas as pd

    return bool(pd.to_numeric(column[column.str.strip() != ""], errors="coerce").notna().all())


def _numeric(frame: "pd.DataFrame", name: str) -> "pd.Series[float]":
    """A column as numbers, NaN where it is empty. Raises `LfnetError` for the first text."""
    import numpy as np
    import pandas as pd

    texts = frame[name].str.strip()
    values = pd.to_numeric(texts, errors="coerce").astype(np.float64)
    wrong = values.isna() & ~texts.str.lower().isin(("", "nan"))
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise LfnetError(f"column {name}, line {frame.index[row]}: {texts.iloc[row]!r} is not a number.")
    return values


def _refuse_blanks(frame: "pd.DataFrame", names: Sequence[str]) -> None:
    for name in names:
        blank = frame[name].str.strip() == ""
        if blank.any():
            raise LfnetError(f"column {name}, line {frame.index[int(blank.to_numpy().argmax())]}: it is empty.")


def _columns_text(frame: "pd.DataFrame", roles: dict[str, tuple[str, ...]]) -> list[str]:
    """The columns as they were understood, with how many values the ids have."""
    words = {"person": ("person", "people"), "recording": ("recording", "recordings"), "model": ("model", "models")}
    words |= {"seed": ("seed", "seeds")}
    texts = []
    for role, names in roles.items():
        if not names:
            continue
        text = f"{role}: {', '.join(names)}"
        if role in words:
            number = frame[names[0]].nunique()
            text += f" ({number} {words[role][number != 1]})"
        elif role == "split":
            text += f" ({', '.join(dict.fromkeys(frame[names[0]]))})"
        texts.append(text)
    return texts
