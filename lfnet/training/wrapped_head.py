"""The base of modules around a head."""

from torch import nn

from lfnet.data.batches import Shorten

__all__ = ["WrappedHead"]


class WrappedHead(nn.Module):
    """A module around a head, which gets its batches as the head alone does.

    Parameters
    ----------
    head : torch.nn.Module

    Examples
    --------
    >>> from lfnet.heads import TemporalMeanMLP
    >>> head = TemporalMeanMLP(n_features=4)
    >>> WrappedHead(head).shorten == getattr(head, "shorten", None)
    True
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    @property
    def shorten(self) -> Shorten | None:
        """The head's `shorten`, if it has one."""
        return getattr(self.head, "shorten", None)

    @property
    def rounds_frames(self) -> bool:
        """Whether the head declares `rounds_frames`."""
        return getattr(self.head, "rounds_frames", False)
