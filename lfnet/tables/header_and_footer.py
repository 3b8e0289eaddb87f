"""Header and footer of a table: cohort and settings, warnings, meanings of columns, and the command that repeats it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lfnet import RESEARCH_ONLY
from lfnet.evaluation.estimates import EvidenceSettings
from lfnet.fingerprints import digest
from lfnet.runs.public_settings import public_cohort
from lfnet.runs.run import Run
from lfnet.runs.sweep_record import Sweep
from lfnet.tables.class_text import class_meanings
from lfnet.tables.evidence_text import explain_evidence
from lfnet.tables.formatting import DASH, count, fixed
from lfnet.tables.optimism import LEVEL
from lfnet.tables.reference_rows import is_oracle, label, meanings, nuisance_lines
from lfnet.tables.table import Column, Row, Section
from lfnet.tables.tuning import tuning_meanings

__all__ = ["foot", "head", "shortened", "warnings"]

_SPLITS = ("train", "dev", "test", "unlabelled")
# Choices of folders, or of how jobs are run, which do not change what is measured.
_SILENT = ("cohort", "paths", "logger", "launcher", "debug", "table")


def head(
    runs: Sequence[Run], level: str, named: Sequence[str], constants: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    """(name, text) lines: cohort, scale, sizes, settings. named: row and section keys; constants: heading → text."""
    mixed = len({run.result.cohort.simulated for run in runs}) > 1
    cohorts = _distinct(
        runs, lambda run: public_cohort(run.result) + " (simulated)" * (mixed and run.result.cohort.simulated)
    )
    scales = _distinct(runs, lambda run: "{name}, {min:g}–{max:g} points".format(**vars(run.result.scale)))
    lines = [
        ("Cohort", "; ".join(cohorts)),
        ("Scale", "; ".join(scales)),
        ("Recordings", "; ".join(_distinct(runs, _sizes))),
        ("Features", "; ".join(_distinct(runs, _features))),
        ("Settings", ", ".join(_settings(runs, named, constants))),
        ("Level", level),
    ]
    return tuple((name, text) for name, text in lines if text)


def _distinct(runs: Sequence[Run], text: Callable[[Run], str]) -> list[str]:
    return list(dict.fromkeys(text(run) for run in runs))


def _sizes(run: Run) -> str:
    recordings, people = run.result.cohort.recordings, run.result.cohort.people
    return ", ".join(
        f"{split} {count(recordings[split])} of {count(people[split])} people"
        for split in _SPLITS
        if recordings.get(split)
    )


def _features(run: Run) -> str:
    features = run.result.features
    return f"{features.stream}, {features.dim}-D, {fixed(100 * features.coverage, 0)} % of frames valid"


def _cohort_fold(run: Run) -> bool:
    return (run.result.config.get("cohort") or {}).get("fold") is not None


def _settings(runs: Sequence[Run], named: Sequence[str], constants: dict[str, str]) -> list[str]:
    settings = [f"{name} {text}" for name, text in constants.items()]
    for name in runs[0].result.choices if runs else ():
        values = {str(run.result.choices.get(name)) for run in runs}
        silent = name in (*_SILENT, *named) or name.startswith("hydra") or values in ({"default"}, {"all"})
        if len(values) == 1 and not silent:
            folds = " (folds of the cohort)" * (name == "splits" and any(_cohort_fold(run) for run in runs))
            settings.append(f"{name} {values.pop()}{folds}")
    limits = {run.result.training.max_epochs for run in runs}
    if len(limits) == 1 and (limit := limits.pop()) is not None:
        settings.append(f"at most {count(limit)} epochs")
    return settings


def shortened(runs: Sequence[Run]) -> str:
    """The banner of a table whose trainings a setting of `debug` cut short; "" where none was."""
    found = sorted({name for run in runs if (name := str(run.result.choices.get("debug", "none"))) != "none"})
    if not found:
        return ""
    return f"debug={','.join(found)}: trainings are cut short to see that everything runs; no number here is a result."


def warnings(runs: Sequence[Run], level: str) -> tuple[str, ...]:
    """Warnings of the cohorts, and of splits that were not measured on equal numbers of rows."""
    found = dict.fromkeys(warning for run in runs for warning in run.result.cohort.warnings)
    for split in ("dev", "test"):
        sizes: dict[str, set[Any]] = {}
        for run in runs:
            if not run.result.metrics:  # a component that this cohort does not have
                continue
            measured = run.result.metrics.get(split, {}).get(level, {}).get("n", 0)
            # Runs over some folds and over all of one cross-validation have one cohort.
            folds = run.folds and digest([run.result.config.get(name) for name in ("cohort", "splits")])
            sizes.setdefault(folds or run.result.cohort.fingerprint, set()).add(measured)
        uneven = next((n for n in sizes.values() if len(n) > 1), None)
        if uneven:
            numbers = ", ".join(count(n) for n in sorted(uneven))
            found[
                f"rows were measured on different numbers of {split} {level}s ({numbers}): they are not comparable."
            ] = None
    return tuple(text if text.endswith((".", "!", "?")) else text + "." for text in found)


def foot(
    sweep: Sweep,
    columns: Sequence[Column],
    sections: Sequence[Section],
    references: Sequence[str],
    digest: str,
    settings: EvidenceSettings | None = None,
    notes: Sequence[str] = (),
) -> tuple[str, ...]:
    """Lines of the footer: meanings of the numbers, how they were measured, and their limits.

    settings: those of the sections' evidence; notes: what is not in it.
    """
    rows = [row for section in sections for row in section.rows]
    absent = [name for name in references if not any(row.label.startswith(label(name)) for row in rows)]
    known = any(run.result.cohort.simulated for run in sweep.runs)
    missing = [name for name in absent if sweep.runs and (known or not is_oracle(name))]
    lines = [
        _seeds([row for row in rows if row.kind == "model"]),
        "Test over rows: sd (ddof 1) and range of the rows' means."
        if any(line.startswith("Test over") for part in sections for line in part.closing)
        else "",
        *_meanings(columns, rows),
        *class_meanings(columns, sweep.runs),
        _flops(sweep.runs) if any(column.name == "flops" for column in columns) else "",
        *(explain_evidence(settings, [block for part in sections for block in part.evidence]) if settings else ()),
        *notes,
        *_reference_lines([name for name in references if name not in absent]),
        *(nuisance_lines(sweep.runs) if "nuisance" in references and "nuisance" not in absent else ()),
        f"No run has the reference {', '.join(missing)}." if missing else "",
        f"Made by `{sweep.command}`; digest of its runs {digest[:16]}."
        if sweep.command
        else f"Digest of its runs {digest[:16]}.",
        _versions(sweep.runs),
        RESEARCH_ONLY,
    ]
    return tuple(line for line in lines if line)


def _flops(runs: Sequence[Run]) -> str:
    frames = sorted({run.result.cost.frames for run in runs if run.result.cost.frames})
    if not frames:
        return ""
    return (
        f"FLOPs: of one forward pass over a window of {' or '.join(map(count, frames))} frames, a multiply-add being 2."
    )


def _seeds(models: Sequence[Row]) -> str:
    if not models:
        return ""
    numbers = sorted({len(row.seeds) for row in models})
    sets = {row.seeds for row in models}
    names = f" ({', '.join(map(str, sets.pop()))})" if len(sets) == 1 else ""
    if numbers == [1]:
        return f"One seed{names}: no standard deviation."
    several = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    if any(len(set(row.seeds)) < len(row.seeds) for row in models):
        # Several runs of one seed differ in the cohort's own seed, the only other thing that a row averages over.
        seeds = sorted({seed for row in models for seed in row.seeds})
        trained = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
        drawn = f"{several} runs: draws or deals of the cohort, trained with {trained}"
        return f"Mean ± standard deviation (ddof 1) over {drawn}."
    return f"Mean ± standard deviation (ddof 1) over {several} seeds{names}."


def _meanings(columns: Sequence[Column], rows: Sequence[Row]) -> Iterable[str]:
    names = {column.name for column in columns}
    metrics = {column.metric for column in columns}
    texts = [cell.text for row in rows for cell in row.cells.values()]
    if any(column.name.startswith("gap.") for column in columns):
        yield "Gap: test − dev."
    if "sigma_ratio" in metrics:
        yield "sigma_ratio: SD of the scores / SD of the labels (ddof 0); near 0 a model has collapsed to a constant."
    if "var_ratio" in metrics:
        yield "var_ratio: the square of sigma_ratio."
    if any(text.startswith("undefined") or "(undefined" in text for text in texts):
        yield "undefined: scores or labels are constant, so that no correlation exists."
    if "active_parameters" in names:
        yield "Active: the parameters that get a gradient at the window's length."
    if "reach" in names:
        yield "Reach: the last real frames of a window that a score depends on; earlier ones change float32's rounding."
    if any(column.name.startswith("optimism.") for column in columns):
        yield (
            "Optimism: by how much the shortcut alone improves test scores, run by run of the same seed and draw of "
            f"the cohort, with Student's {100 * LEVEL:g} % interval over these pairs; above 0, test scores are too "
            f"good; {DASH}: the shortcut changes no score of this model."
        )
    yield from tuning_meanings(names)
    if names & {"bytes", "fusion_bytes"}:
        yield "Bytes: of a fusion's saved file, compressed; a head has 4 a parameter."
    if "latency" in names:
        yield (
            "Latency: the median time of one scoring on one core of this machine, of one window by a head, of one clip "
            "by a fusion; encoding the video is not in it, and other jobs may have run at the same time. Seeds of a "
            "head that one process trains share one measurement."
        )
    if "frame_latency" in names:
        yield (
            "Head ms/frame: a window's latency spread over the frames by which windows advance; of the head alone. "
            "What decoding, landmarks and encoder add is measured on a video by `lfnet bench BUNDLE --video FILE`."
        )
    if "energy" in names:
        yield "Energy: of one scoring, what the processor's packages drew by RAPL, where its counters can be read."
    if "seconds" in names:
        fusions = any(run.result.kind == "fusion" for row in rows for run in row.runs)
        shared = "; what fusions share counts in each" if fusions else ""
        yield f"Seconds: the training of one run{shared}."
    if any("not converged" in text for text in texts):
        yield "not converged: dev MAE had not stopped improving when training ended."
    if "converged" in names:
        yield "Converged: dev MAE had stopped improving when training ended."
    if DASH in texts or any(column.name not in row.cells for row in rows for column in columns):
        yield f"{DASH}: does not apply, or nothing was labelled."


def _reference_lines(present: Sequence[str]) -> Iterable[str]:
    constants = [label(name) for name in present if name in ("train_mean", "train_median")]
    if constants:
        verb = "is a constant" if len(constants) == 1 else "are constants"
        yield f"{' and '.join(constants).capitalize()} {verb}, taken from the training labels."
    yield from meanings(present)
    oracles = [label(name) for name in present if is_oracle(name)]
    if oracles:
        verb = "is the Bayes predictor" if len(oracles) == 1 else "are Bayes predictors"
        yield (
            f"{' and '.join(oracles).capitalize()} {verb} from the features, given the generator's parameters: MAE is "
            "that of the posterior median, all else that of the posterior mean."
        )


def _versions(runs: Sequence[Run]) -> str:
    if not runs:
        return ""
    names = dict.fromkeys(name for run in runs for name in run.result.versions)
    used = [run.result.versions for run in runs]
    parts = [f"{name} {_values([own for own in used if name in own], name)}" for name in names]
    threads, device, precision = (
        _values([vars(run.result) for run in runs], name) for name in ("threads", "device", "precision")
    )
    if "bf16" in precision:
        precision += " (scores in 32-true)"  # `lfnet.training.predict`
    parts += [f"{threads} thread{'' if threads == '1' else 's'}", device, precision]
    return f"With {', '.join(parts)}."


def _values(nodes: Sequence[dict[str, Any]], name: str) -> str:
    return "/".join(dict.fromkeys(str(node.get(name, "?")) for node in nodes))
