"""Rules of `check_head`, one function each; a broken rule raises `BrokenRule`."""

import copy
import inspect
import pickle
import pkgutil
from collections.abc import Callable

import safetensors.torch
import torch
from torch import Tensor, nn

from lfnet.errors import LfnetError
from lfnet.testing.head_case import (
    BrokenRule,
    Case,
    all_real,
    answer_and_gradients,
    masks,
    require,
    require_same,
    score,
)

__all__ = ["RULES"]

_FILLS = (float("nan"), float("inf"), float("-inf"), 1e30)
_TOLERANCE_UNDER_MASK = 1e-6


def _arguments(case: Case) -> None:
    head = case.make()
    require(isinstance(head, nn.Module), f"it makes a {type(head).__name__}, not a torch module")


def _shape(case: Case) -> None:
    head = case.make()
    for frames in case.frames:
        for batch in (1, 3):
            for training in (True, False):
                head.train(training)
                with torch.no_grad():
                    score(head, case.windows(batch, frames), all_real(batch, frames))


def _inputs(case: Case) -> None:
    head, mask_BT = case.make().eval(), masks(case.short)
    x_BTD = case.windows(len(mask_BT), case.short)
    x_before, mask_before = x_BTD.clone(), mask_BT.clone()
    with torch.no_grad():
        score(head, x_BTD, mask_BT)
    require(torch.equal(x_BTD, x_before), "it writes to the features it is given")
    require(torch.equal(mask_BT, mask_before), "it writes to the mask it is given")


@torch.no_grad()
def _seed(case: Case) -> None:
    one, other = case.make().train(), case.make().train()
    for (name, value), same in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        require(torch.equal(value, same), f"the same seed gives different weights: {name}")
    mask_BT = masks(case.short)
    x_BTD = case.windows(len(mask_BT), case.short)
    torch.manual_seed(case.seed)
    y_B = score(one, x_BTD, mask_BT)
    torch.manual_seed(case.seed)
    require(torch.equal(y_B, score(other, x_BTD, mask_BT)), "the same seed gives different answers in training")


@torch.no_grad()
def _evaluation(case: Case) -> None:
    head, mask_BT = case.make().eval(), masks(case.short)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    x_BTD = case.windows(len(mask_BT), case.short)
    y_B = score(head, x_BTD, mask_BT)
    require(torch.equal(y_B, score(head, x_BTD, mask_BT)), "the same windows get another answer the second time")
    for name, value in head.state_dict().items():
        require(torch.equal(value, before[name]), f"answering in evaluation changes {name}")


def _gradients(case: Case) -> None:
    head = case.make()
    missing = {name for name, p in head.named_parameters() if p.requires_grad}
    for frames in case.frames:
        for training in (False, True):
            head.train(training)
            scale = 1.0 if training else 10.0
            found = answer_and_gradients(head, scale * case.windows(4, frames), all_real(4, frames))
            missing -= {name for name in missing if bool((found[f"the gradient of {name}"] != 0).any())}
    require(not missing, f"no gradient ever reaches {', '.join(sorted(missing))}")


def _mask(case: Case) -> None:
    head = case.make()
    for training in (True, False):
        head.train(training)
        for frames in case.frames if training else (case.short,):
            mask_BT = masks(frames)
            x_BTD = case.windows(len(mask_BT), frames)
            _require_blind(case, head, x_BTD, mask_BT)


def _empty(case: Case) -> None:
    head = case.make().eval()
    for frames in {1, case.short}:
        mask_BT = all_real(2, frames)
        mask_BT[0] = False
        _require_blind(case, head, case.windows(2, frames), mask_BT)


def _require_blind(case: Case, head: nn.Module, x_BTD: Tensor, mask_BT: Tensor) -> None:
    """Check that hidden frames change neither the answer nor a gradient, and get no gradient."""
    hidden_BT1 = ~mask_BT.unsqueeze(-1)
    torch.manual_seed(case.seed)
    expected = answer_and_gradients(head, x_BTD.masked_fill(hidden_BT1, 0.0), mask_BT)
    leak = expected["the gradient of the features"][~mask_BT]
    require(not bool(leak.any()), f"at {mask_BT.shape[1]} frames a gradient reaches what the mask hides")
    for fill in _FILLS:
        torch.manual_seed(case.seed)
        try:
            got = answer_and_gradients(head, x_BTD.masked_fill(hidden_BT1, fill), mask_BT)
        except BrokenRule as broken:
            raise BrokenRule(f"with {fill} under the mask: {broken}") from broken
        for name, value in got.items():
            what = f"at {mask_BT.shape[1]} frames {fill} under the mask changes {name}"
            require_same(value, expected[name], _TOLERANCE_UNDER_MASK, what)


@torch.no_grad()
def _batch(case: Case) -> None:
    head, mask_BT = case.make().eval(), masks(case.short)
    x_BTD = case.windows(len(mask_BT), case.short)
    y_B = score(head, x_BTD, mask_BT)
    order = torch.randperm(len(y_B))
    reordered_B = score(head, x_BTD[order], mask_BT[order])
    require_same(reordered_B, y_B[order], case.tolerance, "the order of a batch changes scores")
    for i in range(len(y_B)):
        alone_B = score(head, x_BTD[i : i + 1], mask_BT[i : i + 1])
        require_same(alone_B, y_B[i : i + 1], case.tolerance, "a window's company in the batch changes its score")


@torch.no_grad()
def _padding(case: Case) -> None:
    head = case.make().eval()
    clips = [case.windows(1, frames) for frames in case.frames]
    longest = max(case.frames)
    x_BTD = torch.cat([nn.functional.pad(clip, (0, 0, 0, longest - clip.shape[1])) for clip in clips])
    mask_BT = torch.arange(longest) < torch.tensor(case.frames).unsqueeze(1)
    together_B = score(head, x_BTD, mask_BT)
    for clip, y in zip(clips, together_B, strict=True):
        frames = clip.shape[1]
        alone_B = score(head, clip, all_real(1, frames))
        what = f"padding a clip of {frames} frames to {longest} changes its score"
        require_same(y.unsqueeze(0), alone_B, case.tolerance, what)


def _save(case: Case) -> None:
    head, twin = case.make(), case.make(seed=case.seed + 1)
    try:
        data = safetensors.torch.save(head.state_dict())
        twin.load_state_dict(safetensors.torch.load(data))
    except Exception as error:
        raise BrokenRule(f"its state_dict does not go through safetensors: {error}") from error
    _same_answers(case, head, twin, "a new head with the saved weights answers differently: something is not saved")


def _same_answers(case: Case, head: nn.Module, twin: nn.Module, what: str) -> None:
    mask_BT = masks(case.short)
    x_BTD = case.windows(len(mask_BT), case.short)
    with torch.no_grad():
        y_B = score(head.eval(), x_BTD, mask_BT)
        require(torch.equal(score(twin.eval(), x_BTD, mask_BT), y_B), what)


def _copy(case: Case) -> None:
    head = case.make()
    answer_and_gradients(
        head, case.windows(2, case.short), all_real(2, case.short)
    )  # a head that keeps its graph fails below
    for way, twin_of in (("copy.deepcopy", copy.deepcopy), ("pickle", lambda h: pickle.loads(pickle.dumps(h)))):
        try:
            twin = twin_of(head)
        except Exception as error:
            raise BrokenRule(f"{way} fails: {error}") from error
        _same_answers(case, head, twin, f"after {way} it answers differently")


@torch.no_grad()
def _length(case: Case) -> None:
    head = case.make().eval()
    score(head, case.windows(2, case.max_frames), all_real(2, case.max_frames))
    x_BTD, mask_BT = case.windows(2, case.max_frames + 1), all_real(2, case.max_frames + 1)
    try:
        y_B = head(x_BTD, mask_BT)
    except Exception as error:
        clear = isinstance(error, LfnetError | ValueError) and "max_frames" in str(error)
        require(clear, f"a window that is too long must raise LfnetError and name max_frames, not {error!r}")
    else:
        require(bool(y_B.isfinite().all()), "a window longer than max_frames gets an answer that is not finite")


@torch.no_grad()
def _embedding(case: Case) -> None:
    head = case.make().eval()
    if not callable(embed := getattr(head, "embed_windows", None)):
        return
    require(callable(getattr(head, "regressor", None)), "it has `embed_windows` and no `regressor` that scores vectors")
    mask_BT = masks(case.short)
    x_BTD = case.windows(len(mask_BT), case.short)
    z_BW = embed(x_BTD, mask_BT)
    require(z_BW.ndim == 2 and len(z_BW) == len(x_BTD), f"`embed_windows` returns {list(z_BW.shape)}, not [B, W]")
    y_B = head.regressor(z_BW).squeeze(-1)  # type: ignore[operator]
    what = "`regressor(embed_windows(x, mask)).squeeze(-1)` is not its score: it differs"
    require_same(y_B, score(head, x_BTD, mask_BT), case.tolerance, what)


@torch.no_grad()
def _rounding(case: Case) -> None:
    head = case.make()
    if not getattr(head, "rounds_frames", False):
        return
    mask_BT = masks(case.short)
    x_BTD = case.windows(len(mask_BT), case.short)
    for training in (False, True):
        head.train(training)
        answers = []
        for frames_BTD in (x_BTD, x_BTD.bfloat16()):
            torch.manual_seed(case.seed)
            with torch.autocast("cpu", torch.bfloat16):
                answers.append(head(frames_BTD, mask_BT))
        require(torch.equal(*answers), "it declares `rounds_frames`, but rounding them to bfloat16 changes its answer")


@torch.no_grad()
def _outputs(case: Case) -> None:
    asked = inspect.signature(case.head).parameters.values()  # a factory may set it, or leave it at 1
    if not any(each.name == "n_outputs" or each.kind is each.VAR_KEYWORD for each in asked):
        return
    if "n_outputs" not in inspect.signature(type(case.make()).__init__).parameters:
        return
    mask_BT = masks(case.short)
    x_BTD = case.windows(len(mask_BT), case.short)
    for outputs in (1, 3):
        torch.manual_seed(case.seed)
        head = case.head(n_features=case.n_features, max_frames=case.max_frames, n_outputs=outputs).eval()
        wanted = [len(x_BTD), outputs] if outputs > 1 else [len(x_BTD)]
        y_BK = head(x_BTD, mask_BT)
        require(list(y_BK.shape) == wanted, f"with n_outputs={outputs} the answer is {list(y_BK.shape)}, not {wanted}")
        require(y_BK.dtype == torch.float32, f"with n_outputs={outputs} the answer is {y_BK.dtype}, not torch.float32")
        hidden = head(x_BTD.masked_fill(~mask_BT.unsqueeze(-1), float("nan")), mask_BT)
        require_same(hidden, y_BK, _TOLERANCE_UNDER_MASK, f"with n_outputs={outputs} NaN under the mask changes it")
    distinct = all(not torch.equal(y_BK[:, 0], y_BK[:, k]) for k in (1, 2))
    require(distinct, "with n_outputs=3 the outputs are the same")


def _meta(case: Case) -> None:
    with torch.device("meta"):
        head = case.make()
    values = {**dict(head.named_parameters()), **dict(head.named_buffers())}
    held = sorted(name for name, value in values.items() if not value.is_meta)
    require(not held, f"built on the meta device, it has values in {', '.join(held)}")


def _config(case: Case) -> None:
    if case.config_dir is None:
        return
    from omegaconf import OmegaConf

    from lfnet.config import instantiate, plain
    from lfnet.tuning.space import SEARCH

    folder = case.config_dir / "head"
    wanted = (case.head, type(case.make()))
    for path in sorted(folder.glob("*.yaml")):
        settings = plain(OmegaConf.load(path))
        target = settings.get("_target_") if isinstance(settings, dict) else None
        try:
            found = pkgutil.resolve_name(str(target))
        except (ImportError, AttributeError, ValueError):
            continue  # the file of another head
        if any(found is one for one in wanted):
            break
    else:
        raise BrokenRule(f"no yaml in {folder} has it as its _target_")
    settings.pop(SEARCH, None)  # what tuning may vary is no argument
    require("n_features" not in settings, f"{path} sets n_features, which the features decide")
    try:
        head = instantiate(settings, "head", n_features=case.n_features)
    except Exception as error:
        raise BrokenRule(f"{path} does not make a head: {error}") from error
    try:
        score(head.eval(), case.windows(2, 1), all_real(2, 1))
    except BrokenRule as broken:
        raise BrokenRule(f"{path} makes a head that does not work: {broken}") from broken


RULES: dict[str, Callable[[Case], None]] = {
    "arguments": _arguments,
    "shape": _shape,
    "inputs": _inputs,
    "seed": _seed,
    "evaluation": _evaluation,
    "gradients": _gradients,
    "mask": _mask,
    "empty": _empty,
    "batch": _batch,
    "padding": _padding,
    "save": _save,
    "copy": _copy,
    "length": _length,
    "embedding": _embedding,
    "rounding": _rounding,
    "outputs": _outputs,
    "meta": _meta,
    "config": _config,
}
