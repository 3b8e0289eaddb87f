"""An image network in an ONNX file, run by onnxruntime on batches even where the file says one image."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lfnet.errors import LfnetError, LfnetWarning

if TYPE_CHECKING:
    import onnx

__all__ = ["BatchedNetwork", "open_session", "providers"]

_PROBES = 3
_CLOSE = 1e-4  # of the largest output: single and batched kernels differ in their last bits only


class BatchedNetwork:
    """float32 [B, 3, S, S] -> float32 [B, D] through the network in `path`, on `device`.

    probe: makes N plausible inputs, for the check that a batch gives what single images give. batched: whether it does;
    where not, images go through one by one and a `LfnetWarning` says so. threads: None lets onnxruntime decide.
    Raises `LfnetError` naming the file where it is not such a network.
    """

    def __init__(self, path: Path, device: str, threads: int | None, probe: Callable[[int], np.ndarray]) -> None:
        import onnx

        self.path = path
        try:
            model = onnx.load(str(path))
        except Exception as error:  # onnx raises protobuf's own kinds
            raise LfnetError(f"{path} is not an ONNX file ({error}).") from error
        images = probe(_PROBES)
        self._input, self._output = _check_graph(model, path, images.shape[1:])
        one = open_session(path, device, threads)
        singles = np.concatenate([self._outputs(one, image[None]) for image in images])
        self.dim = singles.shape[1]
        self._session, self.batched = self._batched_session(model, device, threads, images, singles)
        if not self.batched:
            self._session = one
            message = f"{path.name} refuses batches: its images are encoded one by one, which is slower."
            warnings.warn(message, LfnetWarning, stacklevel=2)

    def __call__(self, images_NCHW: np.ndarray) -> np.ndarray:
        """float32 [N, D] for float32 [N, 3, S, S], N at least 1."""
        if self.batched:
            return self._outputs(self._session, images_NCHW)
        return np.concatenate([self._outputs(self._session, image[None]) for image in images_NCHW])

    def _outputs(self, session: Any, images: np.ndarray) -> np.ndarray:
        (output,) = session.run([self._output], {self._input: np.ascontiguousarray(images, dtype=np.float32)})
        return np.asarray(output, dtype=np.float32).reshape(len(output), -1)

    def _batched_session(
        self, model: "onnx.ModelProto", device: str, threads: int | None, images: np.ndarray, singles: np.ndarray
    ) -> tuple[Any, bool]:
        try:
            _free_batch(model)
            session = open_session(model.SerializeToString(), device, threads)
            together = self._outputs(session, images)
        except LfnetError:
            raise
        except Exception:  # onnxruntime's own kinds: the graph does not bear the change
            return None, False
        same = together.shape == singles.shape and np.abs(together - singles).max() <= _CLOSE * np.abs(singles).max()
        return session, bool(same)


def providers(device: str) -> list[tuple[str, dict[str, Any]]]:
    """onnxruntime's providers for `device` ("cpu", "cuda" or "cuda:N"). Raises `LfnetError` where it has none."""
    import onnxruntime

    if device == "cpu":
        return [("CPUExecutionProvider", {})]
    kind, _, number = device.partition(":")
    if kind != "cuda" or not (number.isdigit() or number == ""):
        raise LfnetError(f"encoder.device={device} is unknown: choose cpu, cuda or cuda:N.")
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" not in available:
        raise LfnetError(
            f"encoder.device={device}, but the installed onnxruntime {onnxruntime.__version__} cannot use CUDA (it has "
            f"{', '.join(available)}). Install onnxruntime-gpu in its place, or set encoder.device=cpu."
        )
    # Full float32 and one way of choosing kernels: features should not depend on the card more than they must.
    options = {"device_id": int(number or 0), "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    return [("CUDAExecutionProvider", options), ("CPUExecutionProvider", {})]


def open_session(model: Path | bytes, device: str, threads: int | None) -> Any:
    import onnxruntime

    wanted = providers(device)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: it warns of every initializer that it removes
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    try:
        source = model if isinstance(model, bytes) else str(model)
        session = onnxruntime.InferenceSession(source, options, providers=wanted)
    except Exception as error:
        if isinstance(model, bytes):
            raise
        raise LfnetError(f"onnxruntime cannot load {model} ({error}).") from error
    if session.get_providers()[0] != wanted[0][0]:  # it falls back to the processor without an error
        raise LfnetError(
            f"encoder.device={device}, but onnxruntime could not start CUDA and would use the processor. Check the "
            "driver, CUDA and cuDNN against onnxruntime-gpu's requirements, or set encoder.device=cpu."
        )
    return session


def _check_graph(model: "onnx.ModelProto", path: Path, image: tuple[int, ...]) -> tuple[str, str]:
    """The names of the graph's image input and of its first output."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or not model.graph.output:
        raise LfnetError(f"{path} takes {len(inputs)} inputs; a face network takes one image [B, 3, S, S].")
    sizes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]  # 0 where the file leaves it open
    if len(sizes) != 4 or any(size not in (0, given) for size, given in zip(sizes[1:], image, strict=True)):
        raise LfnetError(
            f"{path} takes images {sizes} (0: any) where the encoder's crop_size gives {['B', *image]}: "
            "set crop_size to the network's side."
        )
    return inputs[0].name, model.graph.output[0].name


def _free_batch(model: "onnx.ModelProto") -> None:
    """Make the graph's first axis free, in place: inputs, outputs, and reshapes that write the batch of one down."""
    from onnx import numpy_helper

    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    for value in [value for value in graph.input if value.name not in constants] + list(graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]  # shapes of what lies between, with the old batch; onnxruntime infers them anew
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape" and len(node.input) > 1}
    tensors = [tensor for tensor in graph.initializer if tensor.name in shapes]
    for node in graph.node:
        if node.op_type == "Constant" and node.output[0] in shapes:
            tensors += [attribute.t for attribute in node.attribute if attribute.name == "value"]
    for tensor in tensors:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:
            shape[0] = 0  # in a Reshape: as long as the input's axis
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
