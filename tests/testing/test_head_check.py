"""`check_head` itself: a head that keeps every rule passes, and for each rule there are heads that break it alone."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lfnet.heads.layers import masked_mean, zero_masked
from lfnet.testing import check_head
from lfnet.testing.head_rules import RULES

FRAMES = (1, 2, 7, 17)


class Good(nn.Module):
    """The mean of the real frames through one linear layer."""

    def __init__(self, n_features: int, max_frames: int = 2000, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.max_frames = max_frames
        self.dropout = dropout
        self.out = nn.Linear(n_features, 1)

    def score(self, mean_BD: Tensor) -> Tensor:
        return self.out(F.dropout(mean_BD, self.dropout, self.training)).squeeze(-1)

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.score(masked_mean(x_BTD, mask_BT))


class NoMaxFrames(nn.Module):
    def __init__(self, n_features: int) -> None:
        super().__init__()


def not_a_module(n_features: int, max_frames: int) -> object:
    return object()


class WrongShape(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, mask_BT).unsqueeze(-1)


class WrongShapeForOne(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, mask_BT).squeeze()


class WrongType(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, mask_BT).double()


class NotATensor(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> tuple[Tensor]:  # type: ignore[override]
        return (super().forward(x_BTD, mask_BT),)


class NeedsPairs(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        pairs = x_BTD.unflatten(1, (-1, 2)).mean(2)
        return self.score(masked_mean(pairs, mask_BT[:, ::2]))


class NotFiniteForOneFrame(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        frames = x_BTD.shape[1]
        return self.score(x_BTD.sub(x_BTD.mean(1, keepdim=True)).square().sum(1) / torch.tensor(frames - 1))


class WritesToFeatures(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        with torch.no_grad():
            x_BTD.masked_fill_(~mask_BT.unsqueeze(-1), 0.0)
        return super().forward(x_BTD, mask_BT)


class WritesToMask(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        y_B = super().forward(x_BTD, mask_BT)
        mask_BT[:, -1] = False
        return y_B


class UnusedLayer(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.spare = nn.Linear(2, 2)


class NoGradientAtAll(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, mask_BT).detach()


class GradientNotFinite(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        mean_BD = masked_mean(x_BTD, mask_BT)
        return self.score(mean_BD) + (mean_BD - mean_BD).norm(dim=1)[:, None].pow(0.5).sum(1)


class MaskByMultiplication(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        real = mask_BT.unsqueeze(-1).float()
        return self.score((x_BTD * real).sum(1) / real.sum(1).clamp(min=1))


class NoMask(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.score(x_BTD.mean(1))


class TailsOnly(Good):
    """Uses the mask as a length, so that gaps count as frames."""

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        frame = torch.arange(mask_BT.shape[1])
        last_B1 = torch.where(mask_BT, frame, -1).amax(1, keepdim=True)
        return super().forward(x_BTD, frame <= last_B1)


class MaskAfterProjection(Good):
    """The answer is right, the gradient is 0 · NaN."""

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return masked_mean(self.out(x_BTD), mask_BT).squeeze(-1)


class HugeNumbersLeak(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        finite = x_BTD.nan_to_num(0.0, 0.0, 0.0)
        return self.score((finite + 1e-30 * (~mask_BT).unsqueeze(-1)).clamp(max=1e6).mean(1))


class OnlyInTraining(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, torch.ones_like(mask_BT) if self.training else mask_BT)


class GradientReachesHidden(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        cleaned = zero_masked(x_BTD, mask_BT)
        return super().forward(_StraightThrough.apply(x_BTD, cleaned), torch.ones_like(mask_BT))


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, cleaned: Tensor) -> Tensor:
        return cleaned.clone()

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class DividesByNothing(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.score(zero_masked(x_BTD, mask_BT).sum(1) / mask_BT.sum(1, keepdim=True))


class EmptyMeansAll(Good):
    """Without a real frame it uses all frames."""

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, mask_BT | ~mask_BT.any(1, keepdim=True))


class DividesByLength(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.score(zero_masked(x_BTD, mask_BT).mean(1))


class DropsTheOddFrame(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        even = max(1, mask_BT.shape[1] // 2 * 2)
        return super().forward(x_BTD[:, :even], mask_BT[:, :even])


class ComparesWithTheBatch(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        y_B = super().forward(x_BTD, mask_BT)
        return y_B + 0.1 * y_B.mean()


class PlaceInTheBatch(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        y_B = super().forward(x_BTD, mask_BT)
        return y_B + 0.01 * torch.arange(len(y_B))


class UnseededWeights(Good):
    count = itertools.count()

    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        nn.init.constant_(self.out.bias, float(next(self.count)))


class UnseededDropout(Good):
    generator = torch.Generator()

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        y_B = super().forward(x_BTD, mask_BT)
        return y_B * torch.rand(len(y_B), generator=self.generator) if self.training else y_B


class AlwaysDropsOut(Good):
    def score(self, mean_BD: Tensor) -> Tensor:
        return super().score(F.dropout(mean_BD, 0.5))


class CountsItsAnswers(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.register_buffer("answers", torch.zeros(()))

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        self.answers += 1
        return super().forward(x_BTD, mask_BT)


class RandomButNotSaved(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.register_buffer("scale", torch.rand(n_features), persistent=False)

    def score(self, mean_BD: Tensor) -> Tensor:
        return super().score(mean_BD * self.scale)


class SharedMemory(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.twin = nn.Linear(n_features, 1)
        self.twin.weight = self.out.weight

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, mask_BT) + self.twin(masked_mean(x_BTD, mask_BT)).squeeze(-1)


class HoldsALambda(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.act = lambda x: x


class KeepsItsGraph(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        self.last = super().forward(x_BTD, mask_BT)
        return self.last


class LosesItsWeightsInACopy(Good):
    def __deepcopy__(self, memo: dict) -> nn.Module:
        return LosesItsWeightsInACopy(self.out.in_features)


class UnclearLength(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.positions = nn.Parameter(torch.randn(max_frames, n_features))

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(zero_masked(x_BTD, mask_BT) + self.positions[: x_BTD.shape[1]], mask_BT)


class TooShort(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        if x_BTD.shape[1] >= self.max_frames:
            raise ValueError("more than max_frames frames")
        return super().forward(x_BTD, mask_BT)


class NaNWhenTooLong(Good):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().forward(x_BTD, mask_BT) * (torch.nan if x_BTD.shape[1] > self.max_frames else 1.0)


class ClearLength(UnclearLength):
    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        if x_BTD.shape[1] > self.max_frames:
            raise ValueError(f"at most max_frames={self.max_frames} frames")
        return super().forward(x_BTD, mask_BT)


class EmbedsWithoutRegressor(Good):
    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return masked_mean(x_BTD, mask_BT)


class EmbedsFrames(EmbedsWithoutRegressor):
    def regressor(self, z: Tensor) -> Tensor:
        return self.out(z)

    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return zero_masked(x_BTD, mask_BT)


class EmbedsOtherVectors(EmbedsFrames):
    def embed_windows(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return 2 * masked_mean(x_BTD, mask_BT)


class RoundsFrames(Good):
    """Declares that it rounds frames, and averages them before."""

    rounds_frames = True


class SeveralOutputs(Good):
    """Keeps the rule for several outputs; those below break it."""

    def __init__(self, n_features: int, max_frames: int = 2000, *, n_outputs: int = 1) -> None:
        super().__init__(n_features, max_frames)
        self.out = nn.Linear(n_features, n_outputs)

    def several(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.out(masked_mean(x_BTD, mask_BT))

    def forward(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        if self.out.out_features == 1:
            return super().forward(x_BTD, mask_BT)
        return self.several(x_BTD, mask_BT)


class IgnoresOutputs(SeveralOutputs):
    def several(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().several(x_BTD, mask_BT)[:, 0]


class WrongTypeOfOutputs(SeveralOutputs):
    def several(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return super().several(x_BTD, mask_BT).double()


class NoMaskForOutputs(SeveralOutputs):
    def several(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        return self.out(x_BTD.mean(1))


class EqualOutputs(SeveralOutputs):
    def several(self, x_BTD: Tensor, mask_BT: Tensor) -> Tensor:
        y_BK = super().several(x_BTD, mask_BT)
        return y_BK[:, :1].expand_as(y_BK)


class ReadsItsWeights(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.scale = float(self.out.weight.detach().norm())


class HasItsOwnDevice(Good):
    def __init__(self, n_features: int, max_frames: int = 2000) -> None:
        super().__init__(n_features, max_frames)
        self.register_buffer("scale", torch.ones((), device="cpu"))

    def score(self, mean_BD: Tensor) -> Tensor:
        return super().score(mean_BD) * self.scale


BROKEN = [
    (NoMaxFrames, "arguments", "raised TypeError"),
    (not_a_module, "arguments", "makes a object, not a torch module"),
    (WrongShape, "shape", "the answer has shape (1, 1), not (1,)"),
    (WrongShapeForOne, "shape", "the answer has shape (), not (1,)"),
    (WrongType, "shape", "the answer is torch.float64"),
    (NotATensor, "shape", "the answer is a tuple"),
    (NeedsPairs, "shape", "for x of shape (1, 1, 16) it raised RuntimeError"),
    (NotFiniteForOneFrame, "shape", "for x of shape (1, 1, 16) the answer is not finite"),
    (WritesToFeatures, "inputs", "writes to the features"),
    (WritesToMask, "inputs", "writes to the mask"),
    (UnusedLayer, "gradients", "no gradient ever reaches spare.bias, spare.weight"),
    (NoGradientAtAll, "gradients", "no gradient ever reaches out.bias, out.weight"),
    (GradientNotFinite, "gradients", "the gradient of the features is not finite"),
    (MaskByMultiplication, "mask", "with nan under the mask"),
    (NoMask, "mask", "a gradient reaches what the mask hides"),
    (TailsOnly, "mask", "a gradient reaches what the mask hides"),
    (MaskAfterProjection, "mask", "with nan under the mask: at 2 frames the gradient of out.weight is not finite"),
    (HugeNumbersLeak, "mask", "a gradient reaches what the mask hides"),
    (OnlyInTraining, "mask", "a gradient reaches what the mask hides"),
    (GradientReachesHidden, "mask", "a gradient reaches what the mask hides"),
    (DividesByNothing, "empty", "the answer is not finite"),
    (EmptyMeansAll, "empty", "a gradient reaches what the mask hides"),
    (DividesByLength, "padding", "padding a clip of 1 frames to 17 changes its score"),
    (DropsTheOddFrame, "padding", "padding a clip of 7 frames to 17 changes its score"),
    (ComparesWithTheBatch, "batch", "a window's company in the batch changes its score"),
    (PlaceInTheBatch, "batch", "the order of a batch changes scores"),
    (UnseededWeights, "seed", "the same seed gives different weights: out.bias"),
    (UnseededDropout, "seed", "the same seed gives different answers in training"),
    (AlwaysDropsOut, "evaluation", "another answer the second time"),
    (CountsItsAnswers, "evaluation", "answering in evaluation changes answers"),
    (RandomButNotSaved, "save", "something is not saved"),
    (SharedMemory, "save", "does not go through safetensors"),
    (HoldsALambda, "copy", "pickle fails"),
    (KeepsItsGraph, "copy", "copy.deepcopy fails"),
    (LosesItsWeightsInACopy, "copy", "after copy.deepcopy it answers differently"),
    (UnclearLength, "length", "must raise LfnetError and name max_frames, not RuntimeError"),
    (TooShort, "length", "for x of shape (2, 40, 16) it raised ValueError"),
    (EmbedsOtherVectors, "embedding", "is not its score"),
    (EmbedsFrames, "embedding", "`embed_windows` returns [5, 33, 16], not [B, W]"),
    (EmbedsWithoutRegressor, "embedding", "no `regressor`"),
    (RoundsFrames, "rounding", "rounding them to bfloat16 changes its answer"),
    (IgnoresOutputs, "outputs", "with n_outputs=3 the answer is [5], not [5, 3]"),
    (WrongTypeOfOutputs, "outputs", "with n_outputs=3 the answer is torch.float64, not torch.float32"),
    (NoMaskForOutputs, "outputs", "with n_outputs=3 NaN under the mask changes it"),
    (EqualOutputs, "outputs", "with n_outputs=3 the outputs are the same"),
    (ReadsItsWeights, "meta", "it raised RuntimeError"),
    (HasItsOwnDevice, "meta", "it has values in scale"),
    (NaNWhenTooLong, "length", "an answer that is not finite"),
]


@pytest.mark.parametrize(("head", "rule", "message"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_head_gets_the_name_of_the_rule(head, rule: str, message: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_head(head, frames=FRAMES, max_frames=40)
    assert f"{head.__name__} breaks the rule '{rule}': " in str(caught.value)
    assert message in str(caught.value)


def test_every_rule_has_a_head_that_breaks_it() -> None:
    assert {rule for _, rule, _ in BROKEN} | {"config"} == set(RULES)
    assert re.findall(r"^    (\w+)   +\S", check_head.__doc__ or "", re.MULTILINE) == list(RULES)


@pytest.mark.parametrize("head", [Good, ClearLength, SeveralOutputs])
def test_a_good_head_passes(head) -> None:
    check_head(head)
    check_head(lambda n_features, max_frames: head(n_features, max_frames), n_features=3, frames=FRAMES, max_frames=17)


def test_the_random_state_is_unchanged() -> None:
    state = torch.get_rng_state()
    check_head(Good, frames=FRAMES, max_frames=17)
    assert torch.equal(torch.get_rng_state(), state)


def test_wrong_lengths_are_refused() -> None:
    for frames in ((), (1, 18)):
        with pytest.raises(ValueError, match="needs lengths"):
            check_head(Good, frames=frames, max_frames=17)


GOOD = f"_target_: {__name__}.Good\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no yaml in "),
        (
            {"other": "_target_: lfnet.heads.mean_mlp.TemporalMeanMLP\n", "gone": "_target_: nowhere.Head\n"},
            "no yaml in ",
        ),
        ({"good": GOOD + "n_features: 5\n"}, "sets n_features"),
        ({"good": GOOD + "width: 5\n"}, "does not make a head"),
        ({"good": GOOD + "dropout: 7\n"}, "makes a head that does not work"),
        ({"a": "[1, 2]\n", "b": "hidden: 3\n", "good": GOOD + "max_frames: 7\n"}, None),
    ],
)
def test_the_head_needs_a_yaml_that_works(tmp_path: Path, files: dict[str, str], message: str | None) -> None:
    (tmp_path / "head").mkdir()
    for name, text in files.items():
        (tmp_path / "head" / f"{name}.yaml").write_text(text)
    if message is None:
        check_head(Good, frames=FRAMES, max_frames=17, config_dir=tmp_path)
        return
    with pytest.raises(AssertionError, match=f"Good breaks the rule 'config': .*{message}"):
        check_head(Good, frames=FRAMES, max_frames=17, config_dir=str(tmp_path))


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, lfnet.testing; assert not {'torch', 'cv2', 'hydra'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", code], check=True)
    import lfnet.testing

    with pytest.raises(AttributeError, match="no attribute 'check_nothing'"):
        _ = lfnet.testing.check_nothing
