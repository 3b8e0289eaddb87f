"""Checks of how people were filmed against label and split, with one family-wise error over all numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from lfnet.audit.filming import Filming, Number
from lfnet.audit.finding import Check, Finding, Status, Test, interval, p_text
from lfnet.audit.label_checks import SPLITS
from lfnet.audit.max_t import centred, one_hot, orthonormal_basis, step_down
from lfnet.audit.settings import AuditSettings
from lfnet.audit.statistics import MIN_CLEAR, MIN_CLEAR_SPLIT, MIN_PEOPLE, spearman_interval
from lfnet.text import plural

__all__ = ["filming_checks"]

LABEL, SPLIT, LOSS = "label", "split", "loss"
# A category of more levels than this is no property of a shoot, and takes all degrees of freedom.
_MAX_LEVELS = 20
_RESAMPLES = 4999  # enough for a level of 5 %
_CROPS = (
    "use features of aligned crops (an encoder of crops, or encoder.blendshapes.translation=false and rotation=false)"
)
_PIXELS = "convert all videos alike (one size, codec and quality) before features are extracted"
_SHOOT = "make splits that balance it, or compare within it"
_REMEDIES = {
    "face_x": _CROPS,
    "face_y": _CROPS,
    "face_size": _CROPS,
    "yaw": _CROPS,
    "pitch": _CROPS,
    "roll": _CROPS,
    "fps": "resample all clips to one frame rate (filming=rate), since heads count frames and not seconds",
    "tasks": "use one task that all have (protocol.tasks)",
    **dict.fromkeys(("resolution", "codec", "bitrate", "brightness", "sharpness", "noise"), _PIXELS),
    **dict.fromkeys(
        ("loudness", "sound_noise"), "leave sound out, or bring the level and the noise of all recordings to one"
    ),
    "sound_length": "leave sound out, or keep its length from the model (protocol=masked)",
}


def filming_checks(
    filming: Filming, table: pd.DataFrame, settings: AuditSettings, coverage: np.ndarray | None = None
) -> list[Check]:
    """Check how people were filmed against label and split, and groups of people against these and lost frames.

    Parameters
    ----------
    filming : Filming
    table : DataFrame
        Labelled recordings: recording_id, person_id, split, label. People are the unit.
    settings : AuditSettings
    coverage : ndarray, shape [recordings], optional
        Share of each recording's frames with a face, NaN where unknown.

    Returns
    -------
    list of Check
        Findings filming, filming_splits and demographics. Their tests are adjusted already: they are a family
        of their own with the level `settings.filming_alpha`.
    """
    known = filming.table.reindex(table["recording_id"])
    y, splits = table["label"].to_numpy(float), table["split"].to_numpy()
    person = np.unique(table["person_id"], return_inverse=True)[1]
    columns, there, few = _columns(filming.varying, known, person)
    groups = [n for n in filming.varying if n.of_person or n.name == "site"]
    # The length against the label is the finding `duration`.
    left_out = {("length", LABEL)} | {(n.name, LOSS) for n in filming.varying if n not in groups}
    responses = {LABEL: _within_splits(y, splits), SPLIT: one_hot(splits.astype(object))}
    valid = {LABEL: np.isfinite(y), SPLIT: np.ones(len(y), bool)}
    if groups and coverage is not None and np.isfinite(coverage).any():
        responses[LOSS], valid[LOSS] = centred(1 - coverage), np.isfinite(coverage)
    random = np.random.default_rng([settings.seed, 1])  # its own, so that other checks draw what they drew before
    p = step_down(columns, responses, person, random, min(settings.resamples, _RESAMPLES), frozenset(left_out))
    people = {
        (name, response): _People(person, splits, rows & valid[response])
        for name, rows in there.items()
        for response in responses
    }
    tests = {
        pair: Test(pair[0], raw, *_strength(pair, columns, responses, people[pair].number), adjusted)
        for pair, (raw, adjusted) in p.items()
    }
    shoot = [n for n in filming.varying if not n.of_person]
    unknown = [n for n in filming.absent if not n.of_person]
    constant = [n.what for n in filming.constant if not n.of_person]
    of_person = [n for n in filming.varying if n.of_person]

    def lacking(weak: Mapping[str, str]) -> str:
        return _lacking(unknown, constant, {**few, **weak})

    return [
        Check.certain(_against_label(shoot, tests, people, lacking, settings)),
        Check.certain(_against_split(shoot, tests, people, known, splits, lacking, settings)),
        Check.certain(_demographics(of_person, groups, filming, tests, people, few, settings)),
    ]


class _People:
    """The people of whom a number and what it is compared with are known, in all and in each split."""

    def __init__(self, person: np.ndarray, splits: np.ndarray, known: np.ndarray) -> None:
        self.number = len(set(person[known]))
        self.in_splits = {
            split: len(set(person[known & (splits == split)])) for split in SPLITS if (splits == split).any()
        }

    def too_few(self, response: str) -> str:
        """Why a test that finds nothing tells nothing; "" where it tells something."""
        if self.number < MIN_CLEAR:
            return f"known for {plural(self.number, 'person')}" + (" with a label" if response == LABEL else "")
        small = [f"{number} in {split}" for split, number in self.in_splits.items() if number < MIN_CLEAR_SPLIT]
        return f"known for too few people: {', '.join(small)}" if small and response == SPLIT else ""


def _columns(
    numbers: Sequence[Number], known: pd.DataFrame, person: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, str]]:
    """The columns of each number that can be tested, in which recordings it is known, and why others cannot be."""
    columns, known_in, few = {}, {}, {}
    for number in numbers:
        values = known[number.name].to_numpy()
        if number.category:
            names = np.array([name if isinstance(name, str) else "" for name in values], object)
            if len(set(names) - {""}) > _MAX_LEVELS:
                few[number.what] = f"it has more than {_MAX_LEVELS} values"
                continue
            there, made = names != "", one_hot(names)
        else:
            there, made = np.isfinite(values.astype(float)), centred(values.astype(float))
        if (count := len(set(person[there]))) < MIN_PEOPLE:
            few[number.what] = f"known for {plural(count, 'person')}"
            continue
        columns[number.name], known_in[number.name] = made, there
    return columns, known_in, few


def _within_splits(y: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Ranks of labels within each split about their mean, so that differences between splits cause no association."""
    ranks = np.zeros((len(y), 1))
    for split in np.unique(splits):
        own = splits == split
        ranks[own] = centred(y[own]) / own.sum()
    return ranks


def _strength(
    pair: tuple[str, str], columns: Mapping[str, np.ndarray], responses: Mapping[str, np.ndarray], people: int
) -> tuple[float, float, float]:
    """A rank correlation with its interval over people; of a category, or against splits, the share explained."""
    x, y = columns[pair[0]], responses[pair[1]]
    if x.shape[1] == 1 and pair[1] != SPLIT:
        rho = float((x.T @ y).item() / np.sqrt((x**2).sum() * (y**2).sum()))
        return rho, *spearman_interval(rho, people)
    one, other = orthonormal_basis(x), orthonormal_basis(y)
    share = float(((one.T @ other) ** 2).sum() / min(one.shape[1], other.shape[1]))
    return share, float("nan"), float("nan")


def _lacking(absent: Sequence[Number], constant: Sequence[str], few: Mapping[str, str]) -> str:
    """What is not checked, and why."""
    by_need: dict[str, list[str]] = {}
    for number in absent:
        by_need.setdefault(f"it needs {number.needs}", []).append(number.what)
    for what, why in few.items():
        by_need.setdefault(why, []).append(what)
    parts = [
        f"{', '.join(whats)} ({why.replace('it ', 'they ', 1) if len(whats) > 1 else why})"
        for why, whats in by_need.items()
    ]
    parts = [part.replace("they needs", "they need").replace("they has", "they have") for part in parts]
    text = f"not checked: {'; '.join(parts)}" if parts else ""
    same = f"the same in all recordings: {', '.join(constant)}" if constant else ""
    return "; ".join(part for part in (same, text) if part)


_Pair = tuple[str, str]
_Tests = Mapping[_Pair, Test]
_Counts = Mapping[_Pair, _People]
_Selected = tuple[dict[Number, Test], dict[Number, Test], dict[str, str]]


def _select(
    numbers: Sequence[Number], tests: _Tests, people: _Counts, response: str, settings: AuditSettings
) -> _Selected:
    """The tests against label or split that tell something, those that found an association, and why others do not."""
    tested, found, weak = {}, {}, {}
    for number in numbers:
        test = tests.get((number.name, response))
        if test is None:
            continue
        if test.adjusted <= settings.filming_alpha:
            tested[number] = found[number] = test
        elif few := people[number.name, response].too_few(response):
            weak[number.what] = few
        else:
            tested[number] = test
    return tested, found, weak


def _against_label(
    numbers: Sequence[Number],
    tests: _Tests,
    people: _Counts,
    lacking: Callable[[Mapping[str, str]], str],
    settings: AuditSettings,
) -> Finding:
    title, name = "filming vs label", "filming"
    tested, found, weak = _select(numbers, tests, people, LABEL, settings)
    every = _all(numbers, tests, LABEL)
    rest = _joined(lacking(weak))
    if not tested:
        why = "too few people to tell" if weak else "no number of how people were filmed can be compared with labels"
        return Finding(name, title, "not checked", why + rest, tests=every)
    if not found:
        names = ", ".join(n.what for n in tested)
        text = f"no visible association with the label of {names} (smallest {_least(tested.values())})"
        return Finding(name, title, "clear", text + rest, tests=every)
    texts = [f"{n.what} goes with the label: {_in_words(test)}" for n, test in sorted(found.items(), key=_by_p)]
    clear = [n.what for n in tested if n not in found]
    text = "; ".join(texts) + (f"; no visible association of {', '.join(clear)}" if clear else "") + rest
    remedies = dict.fromkeys(_REMEDIES.get(n.name, _SHOOT) for n in found)
    advice = (
        "A model can read this in place of severity. Compare every row with the baseline nuisance, which sees nothing "
        f"else, and {'; '.join(remedies)}."
    )
    certain = min(test.adjusted for test in found.values()) <= settings.alpha
    status: Status = "leak" if certain else "warning"
    return Finding(name, title, status, text, advice, tests=every)


def _against_split(
    numbers: Sequence[Number],
    tests: _Tests,
    people: _Counts,
    known: pd.DataFrame,
    splits: np.ndarray,
    lacking: Callable[[Mapping[str, str]], str],
    settings: AuditSettings,
) -> Finding:
    title, name = "filming of the splits", "filming_splits"
    present = [split for split in SPLITS if (splits == split).any()]
    tested, found, weak = _select(numbers, tests, people, SPLIT, settings)
    every = _all(numbers, tests, SPLIT)
    rest = _joined(lacking(weak))
    if not tested:
        why = "too few people to tell" if weak else "nothing to compare between splits"
        return Finding(name, title, "not checked", why + rest, tests=every)
    if not found:
        names = ", ".join(n.what for n in tested)
        text = f"the splits do not visibly differ in {names} (smallest {_least(tested.values())})"
        if {n.name for n in tested} == {"length"}:
            text = f"of how people were filmed only their recordings' length is known; {text}"
            return Finding(name, title, "not checked", text + rest, tests=every)
        return Finding(name, title, "clear", text + rest, tests=every)
    texts = []
    for number, test in sorted(found.items(), key=_by_p):
        each = [f"{split} {_typical(known[number.name][splits == split], number)}" for split in present]
        texts.append(f"{number.what} differs: {', '.join(each)}, {p_text(test.adjusted)}")
    advice = (
        "Scores on test then mix how well a model reads people with how well it bears another way of filming. Make new "
        "splits (`lfnet cohort split DIR`); where they are given, say so, and film or convert all clips alike."
    )
    return Finding(name, title, "warning", "; ".join(texts) + rest, advice, tests=every)


def _demographics(
    numbers: Sequence[Number],
    groups: Sequence[Number],
    filming: Filming,
    tests: _Tests,
    people: _Counts,
    few: Mapping[str, str],
    settings: AuditSettings,
) -> Finding:
    """Groups of people against label, split and lost frames. `groups` has the site too, which is part of the shoot."""
    title, name = "groups of people vs label, split and lost frames", "demographics"
    tested, found, weak = _select(numbers, tests, people, LABEL, settings)
    texts = [f"{n.what}: {_in_words(test)}" for n, test in tested.items()]
    every, flagged = _all(numbers, tests, LABEL), bool(found)
    for response, members, what in ((SPLIT, numbers, "the split"), (LOSS, groups, "lost frames")):
        own, found, untold = _select(members, tests, people, response, settings)
        every += _all(members, tests, response)
        flagged |= bool(found)
        weak = {**weak, **untold}
        texts += [f"{n.what} goes with {what}: {_in_words(test, response)}" for n, test in found.items()]
        if rest := {n.what: test for n, test in own.items() if n not in found}:
            texts.append(f"no visible association with {what} of {', '.join(rest)} (smallest {_least(rest.values())})")
    lacking = _lacking(
        [n for n in filming.absent if n.of_person],
        [n.what for n in filming.constant if n.of_person],
        {what: why for what, why in few.items() if what in {n.what for n in numbers}} | weak,
    )
    if not texts:
        text = "too few people to tell" + _joined(lacking) if weak else lacking
        return Finding(name, title, "not checked", text, tests=every)
    text = "; ".join(texts) + _joined(lacking)
    if not flagged:
        return Finding(name, title, "clear", text, tests=every)
    advice = (
        "This is no leak; but a model that tells it from a face scores better without seeing severity. Report metrics "
        "by group (table.evidence.groups)."
    )
    return Finding(name, title, "warning", text, advice, tests=every)


def _all(numbers: Sequence[Number], tests: _Tests, response: str) -> tuple[Test, ...]:
    return tuple(tests[n.name, response] for n in numbers if (n.name, response) in tests)


def _joined(text: str) -> str:
    return f"; {text}" if text else ""


def _in_words(test: Test, response: str = LABEL) -> str:
    if np.isfinite(test.low):
        return interval(test, "rank correlation")
    what = {LABEL: "of the labels' ranks", SPLIT: "of the difference between splits", LOSS: "of the ranks"}[response]
    return f"it explains {100 * test.estimate:.0f} % {what}, {p_text(test.adjusted)}"


def _typical(values: "pd.Series[float]", number: Number) -> str:
    """The mean of a number, or the most frequent name with its share."""
    if not number.category:
        known = values.dropna().to_numpy(float)
        if not len(known):
            return "unknown"
        if number.name == "date":
            return str(np.datetime64(int(known.mean()), "D"))
        return f"{known.mean():.4g}"
    names = values[values != ""].dropna()
    if not len(names):
        return "unknown"
    counts = names.value_counts()
    return f"{counts.index[0]} {100 * counts.iloc[0] / len(names):.0f} %"


def _least(tests: Iterable[Test]) -> str:
    return p_text(min(test.adjusted for test in tests))


def _by_p(item: tuple[Number, Test]) -> tuple[float, float]:
    return item[1].adjusted, -abs(item[1].estimate)
