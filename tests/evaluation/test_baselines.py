"""Baselines use training labels only."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge as Linear
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lfnet.errors import LfnetError
from lfnet.evaluation.baselines import TRIVIAL, Constant, Duration, Nuisance, PersonLookup, Ridge, fit_predict


def recordings() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "recording_id": ["r1", "r2", "r3", "r4", "r5", "r6", "r7"],
            "person_id": ["p1", "p2", "p3", "p4", "p1", "p6", "p7"],
            "split": ["train", "train", "train", "train", "dev", "test", "unlabelled"],
            "label": [0.0, 3.0, 30.0, np.nan, 40.0, 50.0, np.nan],
            "seconds": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0],
        }
    )


def test_constants_are_the_mean_and_median_of_the_labelled_training_recordings() -> None:
    values = {
        baseline.name: fit_predict(baseline, recordings()).frame["score"].unique().tolist() for baseline in TRIVIAL
    }
    assert values == {"train_mean": [11.0], "train_median": [3.0]}


@pytest.mark.parametrize("baseline", TRIVIAL)
def test_labels_outside_train_change_nothing(baseline: Constant) -> None:
    changed = recordings()
    changed.loc[changed["split"] != "train", "label"] = 63.0
    scores = [fit_predict(baseline, frame).frame["score"].tolist() for frame in (recordings(), changed)]
    assert scores[0] == scores[1]


def test_the_median_minimises_mae_and_the_mean_rmse_on_train() -> None:
    labelled = recordings().query("split == 'train' and label.notna()")
    mean, median = (fit_predict(baseline, labelled).metrics()["train"]["recording"] for baseline in TRIVIAL)
    assert median["mae"] < mean["mae"] and mean["rmse"] < median["rmse"]
    assert mean["rmse"] == pytest.approx(np.std([0, 3, 30]))


class Line:
    """A baseline of somebody else's: it reads a further column of the recordings."""

    name = "line"

    def __init__(self, line: np.ndarray | None = None) -> None:
        self.line = line

    def fit(self, train: pd.DataFrame) -> "Line":
        return Line(np.polyfit(train["seconds"], train["label"], 1))

    def predict(self, recordings: pd.DataFrame) -> np.ndarray:
        assert "label" not in recordings
        return np.polyval(self.line, recordings["seconds"])


def test_a_baseline_that_needs_more_than_labels_fits_the_same_shape() -> None:
    frame = fit_predict(Line(), recordings()).frame.set_index("recording_id")
    slope, intercept = 1.5, -19.0
    assert frame.loc["r6", "score"] == pytest.approx(slope * 60 + intercept)


def test_no_training_label_is_an_error() -> None:
    with pytest.raises(LfnetError, match="labelled recording in the train split"):
        fit_predict(Constant("mean"), recordings().query("split != 'train'"))
    with pytest.raises(ValueError, match="one row per recording"):
        fit_predict(Constant("mean"), pd.concat([recordings(), recordings()]))
    with pytest.raises(ValueError, match="fit before predict"):
        Constant("mean").predict(recordings())


def scores(baseline: Duration | PersonLookup | Ridge, frame: pd.DataFrame) -> pd.Series:
    return fit_predict(baseline, frame).frame.set_index("recording_id")["score"]


def test_duration_is_least_squares_on_log_seconds() -> None:
    frame = recordings()
    line = np.polyfit(np.log1p([10.0, 20.0, 30.0]), [0.0, 3.0, 30.0], 1)
    given = scores(Duration(), frame)
    np.testing.assert_allclose(given[frame["recording_id"]], np.polyval(line, np.log1p(frame["seconds"])))
    frame["seconds"] = 10.0
    assert scores(Duration(), frame).unique() == pytest.approx([11.0])
    frame.loc[[1, 5], "seconds"] = np.nan
    assert scores(Duration(), frame)["r6"] == pytest.approx(11.0)


def test_person_lookup_is_the_persons_training_mean_or_the_overall_mean() -> None:
    frame = recordings()
    frame.loc[1, "person_id"] = "p1"
    given = scores(PersonLookup(), frame)
    assert given["r5"] == 1.5 and given["r6"] == given["r7"] == 11.0
    changed = frame.assign(label=frame["label"].where(frame["split"] == "train", 63.0))
    pd.testing.assert_series_equal(scores(PersonLookup(), changed), given)


def many(n: int = 120, dim: int = 200, seed: int = 0) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Recordings whose label follows one direction of their vectors; two of each person."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, dim))
    frame = pd.DataFrame(
        {
            "recording_id": [f"r{i}" for i in range(n)],
            "person_id": [f"p{i // 2}" for i in range(n)],
            "split": np.where(np.arange(n) < n // 2, "train", "test"),
            "label": 15 + 8 * x[:, :5].sum(axis=1) / np.sqrt(5) + 2 * random.standard_normal(n),
        }
    )
    return frame, dict(zip(frame["recording_id"], x, strict=True))


def test_ridge_agrees_with_scikit_learn_at_the_alpha_of_grouped_folds() -> None:
    from sklearn.linear_model import Ridge as Linear
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame, vectors = many(dim=12)
    train = frame[frame["split"] == "train"]
    x = np.stack([vectors[name] for name in train["recording_id"]])

    def error(alpha: float) -> float:
        model = make_pipeline(StandardScaler(), Linear(alpha))
        folds = GroupKFold(5).split(x, train["label"], train["person_id"])
        return -cross_val_score(model, x, train["label"], cv=list(folds), scoring="neg_mean_squared_error").mean()

    alpha = min(10.0 ** np.arange(-1, 6), key=error)
    model = make_pipeline(StandardScaler(), Linear(alpha)).fit(x, train["label"])
    wanted = model.predict(np.stack([vectors[name] for name in frame["recording_id"]]))
    np.testing.assert_allclose(scores(Ridge(vectors), frame)[frame["recording_id"]], wanted)
    test = fit_predict(Ridge(vectors), frame).metrics()["test"]["recording"]
    assert test["pcc"] is not None and test["pcc"] > 0.9


def test_a_random_projection_is_deterministic_and_keeps_part_of_the_signal() -> None:
    frame, vectors = many()
    full, projected, again = (scores(Ridge(vectors, projection, name="x"), frame) for projection in (None, 64, 64))
    pd.testing.assert_series_equal(projected, again)
    assert not np.allclose(full, projected)
    # More dimensions asked for than there are: as many as there are.
    assert np.isfinite(scores(Ridge(many(dim=5)[1], 64), many(dim=5)[0])).all()


def test_ridge_gives_a_recording_without_a_vector_the_mean_vector() -> None:
    frame, vectors = many(dim=12)
    del vectors["r100"]
    vectors["r101"] = np.full(12, np.nan)
    vectors["r1"] = np.full(12, np.nan)
    given = scores(Ridge(vectors), frame)
    train = [name for name in frame.loc[frame["split"] == "train", "recording_id"] if name != "r1"]
    mean = frame.set_index("recording_id").loc[train, "label"].mean()
    assert given[["r100", "r101"]].tolist() == pytest.approx([mean, mean])
    with pytest.raises(LfnetError, match="needs the features of a training recording"):
        fit_predict(Ridge({"r100": np.ones(3)}), frame)


def test_ridge_with_one_person_shrinks_to_the_constant() -> None:
    frame, vectors = many(n=8, dim=12)
    frame["person_id"] = "p"
    train = frame.loc[frame["split"] == "train", "label"]
    assert np.abs(scores(Ridge(vectors), frame) - train.mean()).max() < 0.05 * train.std()


@pytest.mark.parametrize("baseline", [Duration(), PersonLookup(), Ridge({})])
def test_predict_before_fit_is_an_error(baseline: Duration | PersonLookup | Ridge) -> None:
    with pytest.raises(ValueError, match="fit before predict"):
        baseline.predict(recordings())


def test_nuisance_learns_means_names_and_the_penalty_from_train_alone() -> None:
    random = np.random.default_rng(0)
    train = pd.DataFrame({"person_id": [f"p{i % 20}" for i in range(40)], "fps": random.choice([25.0, 30.0], 40)})
    train["site"] = random.choice(["a", "b"], 40)
    train["label"] = 2 * train["fps"] + 5 * (train["site"] == "a") + random.normal(size=40)
    fitted = Nuisance(("fps",), ("site",)).fit(train)
    # By hand: scikit-learn's ridge with the same folds on standardised columns.
    x = np.column_stack([train["fps"], train["site"] == "a", train["site"] == "b"]).astype(float)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), Linear()),
        {"ridge__alpha": [0.1, 1, 10, 100, 1e3, 1e4, 1e5]},
        cv=GroupKFold(5),
        scoring="neg_mean_squared_error",
    ).fit(x, train["label"], groups=train["person_id"])
    np.testing.assert_allclose(fitted.predict(train), search.predict(x), atol=1e-9)
    new = pd.DataFrame({"person_id": ["new"] * 3, "fps": [np.nan, train["fps"].mean(), 30], "site": ["a", "a", "c"]})
    unknown, mean, other = fitted.predict(new)
    assert unknown == mean and np.isfinite(other)
    far = pd.DataFrame({"person_id": ["new"] * 2, "fps": [1e6, train["fps"].max()], "site": ["a", "a"]})
    assert np.ptp(fitted.predict(far)) == 0  # what was not seen in training is not extrapolated
    other_labels = new.assign(label=[1.0, 2.0, 3.0])
    np.testing.assert_array_equal(fitted.predict(other_labels), fitted.predict(new))
