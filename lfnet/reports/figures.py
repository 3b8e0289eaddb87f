"""Figures of a report, drawn with matplotlib: the same for the page, for PNG and for PDF."""

from collections.abc import Callable
from typing import Any

from lfnet.drawing import INK, styled
from lfnet.reports import forest_plots, run_plots, score_plots
from lfnet.reports.figure_data import Part

__all__ = ["FIGURES", "INK", "draw", "title_of"]

Figures = dict[str, tuple[str, Callable[[Part], Any]]]

FIGURES: Figures = {
    "forest": ("Test {metric} of each row", forest_plots.forest),
    "pooled": ("Differences over cohorts", forest_plots.pooled),
    "reliability": ("Reliability: observed against predicted shares of positives", score_plots.reliability),
    "predicted": ("Predicted against true", score_plots.predicted),
    "agreement": ("Bland-Altman: agreement of score and label", score_plots.agreement),
    "residuals": ("Error by band of severity", score_plots.residuals),
    "courses": ("Learning curves", run_plots.courses),
    "seeds": ("Seeds: test against dev", run_plots.seeds),
    "budget": ("Tuning: the best so far by number of trials", run_plots.budget),
    "coverage": ("Calibration: how often intervals contain the label", run_plots.coverage),
}


def draw(figure: str, part: Part, ink: str = INK) -> Any:
    """Draw a figure of one section.

    It has a headline (what was found, with its uncertainty, else what is shown) and a foot (whether the cohort is
    simulated, how many people, what bars are), so that it can be read away from its page.

    Parameters
    ----------
    figure : str
        One of `FIGURES`.
    part : Part
    ink : str
        The colour of text and axes.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where there is nothing to draw.
    """
    with styled(ink):
        return FIGURES[figure][1](part)


def title_of(figure: str, part: Part) -> str:
    """Return the title of a figure of one section, which has the metric of its labels."""
    return FIGURES[figure][0].format(metric="AUROC" if part.binary else "MAE")
