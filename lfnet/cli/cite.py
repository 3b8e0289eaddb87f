"""`lfnet cite`: BibTeX entries of lfnet and of the works whose systems it rebuilds."""

import lfnet
from lfnet.cli.arguments import command_parser

__all__ = ["main"]

DESCRIPTION = """\
Print BibTeX entries of lfnet and of the works whose systems it rebuilds. Cite the papers of the encoders, heads and
cohorts that you use, too: `lfnet list` and the files that it names say where they are from."""
EPILOG = """\
example:
  lfnet cite >> references.bib
"""
# CITATION.cff has the same works.
BIBTEX = """\
@software{{lfnet,
  title = {{lfnet: ablations for depression severity regression from facial video}},
  author = {{{{The lfnet authors}}}},
  version = {{{version}}},
  year = {{2026}},
  license = {{Apache-2.0}},
}}

@unpublished{{lightfusionnet,
  title = {{{{LightFusionNet}}: A Lightweight Multimodal Fusion Framework Combining Facial Dynamics and {{rPPG}} Signals
    for Depression Severity Detection}},
  author = {{Bilal, Muhammad and Khan, Muhammad Turyalai and Shafait, Faisal}},
  year = {{2026}},
  note = {{Submitted}},
}}

@misc{{temporal_ablation,
  title = {{Automatic Depression Recognition with an Ensemble of Multimodal Spatio-Temporal Routing Features}},
  note = {{The paper whose LDBM module the temporal ablation compares with simpler heads}},
}}
"""


def main(argv: list[str]) -> int:
    """Print the entries; returns 0."""
    command_parser("cite", DESCRIPTION, EPILOG).parse_args(argv)
    print(BIBTEX.format(version=lfnet.__version__), end="")
    return 0
