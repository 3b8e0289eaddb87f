"""`lfnet cohort init --yaml`: draft the yaml of a corpus, load it, and print what it matched."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lfnet.errors import LfnetError

if TYPE_CHECKING:
    from lfnet.cohorts.cohort import Cohort

__all__ = ["compose_cohort", "draft_yaml"]


def draft_yaml(
    root: Path,
    file: Path,
    *,
    labels: Path | None,
    label_column: str | None = None,
    scale: str,
    kind: str | None = None,
    fps: float | None = None,
    force: bool = False,
) -> int:
    """Write the drafted yaml of a corpus, say what was guessed, and show the cohort that it gives.

    Raises `LfnetError` where the file is not CONF/cohort/NAME.yaml, or the draft does not load.
    """
    from omegaconf import OmegaConf

    from lfnet.cli.cohort_report import described, matching_features
    from lfnet.cli.configs import conf_of
    from lfnet.cli.own_code import own_yamls
    from lfnet.cohorts.corpus_draft import draft_corpus
    from lfnet.files import write_text

    if file.suffix != ".yaml" or file.absolute().parent.name != "cohort":
        raise LfnetError(f"--yaml {file}: give a file in a folder `cohort`, such as my_conf/cohort/mine.yaml.")
    if file.exists() and not force:
        raise LfnetError(f"{file} exists already. Edit it, or replace it with --force.")

    def sets(path: Path) -> tuple[str, Sequence[str]] | None:
        found = matching_features(path)
        if not found:
            return None
        return found[0], list(map(str, OmegaConf.load(conf_of("features", found[0]) / "features" / f"{found[0]}.yaml")))

    made = draft_corpus(root, file.stem, sets, labels=labels, score=label_column, kind=kind, fps=fps)
    notes = [" ".join(note.split()) for note in made.notes]  # a message may have several lines, a comment has one
    scale = "binary" if made.binary else scale
    columns = [f"  - /features@features: {made.columns}"] * (made.columns is not None)
    lines = [
        f"# {file.stem}: drafted by `lfnet cohort init --yaml`. Check what was guessed, add source and licence.",
        "defaults:",
        f"  - /scale@scale: {scale}",
        *columns,
        "  - _self_",
        "# conf/cohort/avec2014.yaml and conf/cohort/daic_woz.yaml explain the settings.",
        *(f"# guessed: {note}" for note in notes),
        "_target_: lfnet.cohorts.corpus.load",
        "cache: ${paths.cache}",
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, "\n".join(lines) + "\n" + OmegaConf.to_yaml(OmegaConf.create(made.node)))
    print(f"wrote {file}. Guessed:")
    for note in notes:
        print(f"  {note}")
    words = [f"--config-dir {file.parent.parent}", f"cohort={file.stem}"]
    try:
        with own_yamls(file.parent.parent):
            cohort = compose_cohort([f"cohort={file.stem}"])
    except LfnetError as error:
        raise LfnetError(f"{file} is written, and gives no cohort yet: {error}") from error
    for line in described(cohort):
        print(line)
    more = ["encoder=blendshapes"] * (cohort.own is None) + ["loss=bce"] * made.binary
    print(f"\nnext:\n  1. check {file}\n  2. lfnet table architectures {' '.join([*words, *more])}")
    return 0


def compose_cohort(words: Sequence[str]) -> "Cohort":
    """Load the cohort that overrides name."""
    from lfnet.cli.configs import compose
    from lfnet.cohorts.binary import binarised
    from lfnet.config import instantiate

    overrides = [f"+{text}" if text.startswith(("cohort=", "paths=")) else text for text in words]
    if not any(text.startswith("+cohort=") for text in overrides):
        raise LfnetError("give a cohort: lfnet cohort show cohort=folder cohort.root=DIR")
    if not any(text.startswith("+paths=") for text in overrides):
        overrides.insert(0, "+paths=default")
    node: Any = compose(None, overrides).cohort
    made: Cohort = binarised(instantiate(node, "cohort"))
    return made
