"""Each verdict says what was shown, and no more."""

import pytest

from lfnet.evaluation.compare import VERDICTS, verdict


@pytest.mark.parametrize(
    ("difference", "p", "p_equivalent", "expected"),
    [
        (-2.0, 0.01, 0.9, "better"),
        (-0.4, 0.01, 0.02, "better but inside the margin"),
        (-0.1, 0.6, 0.02, "equivalent"),
        (-2.0, 0.06, 0.9, "cannot tell"),
        (0.3, 0.05, 0.05, "worse but inside the margin"),
        (3.0, 0.05, 0.06, "worse"),
        (0.0, None, None, "cannot tell"),
        (-3.0, None, 0.01, "equivalent"),
    ],
)
def test_verdicts(difference, p, p_equivalent, expected):
    assert verdict(difference, p, p_equivalent, 0.05) == expected
    assert expected in VERDICTS
