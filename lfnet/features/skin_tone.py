"""Individual typology angle (ITA): skin tone as a number, from the mean colour of skin pixels.

It depends on light, camera and exposure, which nothing here corrects: it tells groups of one shoot apart, not people's
skin across studies.
"""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["SKIN_TONE", "individual_typology_angle", "skin_tone"]

SKIN_TONE = "skin_tone"
"""Name of the number among those of how a clip was filmed."""

# IEC 61966-2-1 (sRGB) to CIE XYZ, divided by the white D65 of the 2° observer.
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
_WHITE = np.array([0.95047, 1.0, 1.08883])


def individual_typology_angle(rgb: ArrayLike) -> float:
    """Compute the ITA of a colour, arctan((L* − 50) / b*) in degrees: above 55 very light, below −30 dark.

    Parameters
    ----------
    rgb : array_like, shape [3]
        sRGB, 0 to 255.

    Returns
    -------
    float
        NaN where b* is not above 0: the colour is bluish or grey, and the angle says nothing about skin.

    References
    ----------
    Chardon, Cretois and Hourseau (1991), "Skin colour typology and suntanning pathways", International Journal of
    Cosmetic Science 13. CIE 15:2004, "Colorimetry".

    Examples
    --------
    >>> [round(individual_typology_angle(rgb)) for rgb in ([235, 205, 190], [160, 115, 90], [80, 50, 40])]
    [72, 6, -65]
    """
    part = np.asarray(rgb, np.float64) / 255
    linear = np.where(part > 0.04045, ((part + 0.055) / 1.055) ** 2.4, part / 12.92)
    xyz = _TO_XYZ @ linear / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lightness, blue_yellow = 116 * f[1] - 16, 200 * (f[1] - f[2])
    return float(np.degrees(np.arctan((lightness - 50) / blue_yellow))) if blue_yellow > 0 else float("nan")


def skin_tone(means_R4: np.ndarray) -> float:
    """Compute the ITA of the mean colour of all skin pixels.

    Parameters
    ----------
    means_R4 : ndarray, shape [regions, 4]
        Mean red, green and blue of each region and its number of pixels (`lfnet.video.skin.skin_means`).

    Returns
    -------
    float
        NaN without a skin pixel.

    Examples
    --------
    >>> cheeks = np.array([[200.0, 150, 120, 300], [180.0, 130, 100, 100], [0, 0, 0, 0]])
    >>> skin_tone(cheeks) == individual_typology_angle([195, 145, 115])
    True
    """
    pixels_R = means_R4[:, 3]
    if not pixels_R.sum() > 0:
        return float("nan")
    return individual_typology_angle(pixels_R @ means_R4[:, :3] / pixels_R.sum())
