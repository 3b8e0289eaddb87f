"""`lfnet explain`: a page that explains the score of one clip, with a test of the explanation. Imports no PyTorch."""

from pathlib import Path

from lfnet import RESEARCH_ONLY
from lfnet.cli.arguments import add_threads, check_threads, command_parser
from lfnet.cli.configs import mode
from lfnet.cli.own_code import add_trust, trusted
from lfnet.cli.video_settings import split_settings
from lfnet.errors import LfnetError
from lfnet.files import personal_files
from lfnet.text import plural

__all__ = ["main"]

DESCRIPTION = """\
Explain the score that a bundle of `lfnet export` gives one clip: which seconds and which parts of the face change it if
they are hidden from the model, a deletion test of these effects vs random orders, the pulse and its quality, coverage.
Effects are of the model, not of the person. Nothing leaves this machine."""
EPILOG = f"""\
examples:
  lfnet explain clip.mp4 --bundle my_bundle                     writes clip.explained.html and clip.explained.json
  lfnet explain clip.mp4 --bundle my_bundle --out pages/one.html
  lfnet explain clip.npz --bundle my_bundle --fps 30            a file of features: no film, no pulse
  lfnet explain clip.mp4 --bundle my_bundle --show-face         the frames themselves, which show who it is

The page is one file that loads nothing. It names no person, file or folder; the name of the file that is written is
taken from the clip's, choose another one by --out. The face is drawn as the lines of its mesh. Both files are about one
person and get the permissions of personal files (paths.mode). Settings are those of conf/video, not of the bundle.
exit status: 0 the clip was explained; 2 it cannot be scored (no face, too short, …) or a mistake: nothing was written.

{RESEARCH_ONLY}
"""


def main(argv: list[str]) -> int:
    """Run `lfnet explain ARGV`; returns the exit status."""
    usage = "lfnet explain CLIP --bundle DIR [OPTIONS] [video.SETTING=VALUE ...]"
    parser = command_parser("explain", DESCRIPTION, EPILOG, usage=usage)
    parser.add_argument("clip", type=Path, metavar="CLIP", help="a video, a folder of images, or a file of features")
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="what `lfnet export` wrote")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the page (default CLIP.explained.html, in this folder)"
    )
    parser.add_argument(
        "--show-face", action="store_true", help="show frames of the video; the page then shows the face"
    )
    parser.add_argument("--no-pulse", action="store_true", help="do not read the pulse, which takes time")
    parser.add_argument("--fps", type=float, metavar="N", help="frames per second of images, or features without times")
    add_threads(parser)
    add_trust(parser)
    argv, settings = split_settings(argv, faces=True)
    options = parser.parse_args(argv)
    check_threads(options)
    out = Path(f"{options.clip.stem}.explained.html") if options.out is None else options.out
    if out.suffix != ".html":
        raise LfnetError(f"--out {out}: give a name that ends with .html.")
    from lfnet.deploy.bundle import Bundle
    from lfnet.deploy.clip_page import check_out, deletion_verdict, largest_effect, write_explanation
    from lfnet.deploy.explanation import explain_clip
    from lfnet.deploy.film import Film
    from lfnet.deploy.scorer import Scorer
    from lfnet.deploy.scoring import score_text

    bundle = Bundle.open(options.bundle, trust=trusted(options))
    check_out(out)
    film = Film(show_face=options.show_face)
    with Scorer.of(bundle, pulse=not options.no_pulse, threads=options.threads, video=settings) as scorer:
        try:
            explanation = explain_clip(scorer, bundle, options.clip, options.fps, film)
        except LfnetError as error:
            raise LfnetError(f"{options.clip} is not scored, and nothing was written: {error}") from error
    with personal_files(mode()):
        page, numbers = write_explanation(explanation, out)
    content = explanation.content
    print(f"{options.clip}: {score_text(content, content['scale'])}")
    print(f"  a face in {content['frames_with_a_face']} of {plural(content['frames'], 'frame')}")
    for text in (*content["notes"], largest_effect(content), deletion_verdict(content)):
        if text:
            print(f"  {text}")
    if content["model"]["simulated"]:
        print("The bundle was trained on a simulated cohort: its scores say nothing about any person.")
    if options.show_face and explanation.stills:
        print("The page shows the face: it is personal data, keep it as you keep the video.")
    print(f"page: {page}\nnumbers: {numbers}")
    print(RESEARCH_ONLY)
    return 0
