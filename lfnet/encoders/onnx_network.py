"""Image networks in ONNX files, run by onnxruntime in batches, and the base class of encoders that have one."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lfnet.encoders.encoder import Encoder
from lfnet.errors import LfnetError, LfnetWarning
from lfnet.weights.weights_file import WeightsFile

if TYPE_CHECKING:
    import onnx

__all__ = ["BatchedNetwork", "OnnxEncoder", "open_session", "providers"]

_PROBES = 3
_CLOSE = 1e-4  # of the largest output: single and batched kernels differ in their last bits only


class BatchedNetwork:
    """A network float32 [B, 3, S, S] → [B, D], run in batches even where its file fixes the batch size to one.

    Parameters
    ----------
    path : Path
        The ONNX file.
    device : str
        "cpu", "cuda" or "cuda:N".
    threads : int or None
        None lets onnxruntime decide.
    probe : callable
        Makes N plausible inputs. Their batch is compared with single images; where the results differ, images are
        encoded one by one and an `LfnetWarning` says so.

    Raises
    ------
    LfnetError
        The file holds no such network.
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
        """Return float32 [N, D] for float32 [N, 3, S, S], N at least 1."""
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
            batch = self._outputs(session, images)
        except LfnetError:
            raise
        except Exception:  # of onnxruntime's own kinds: the graph cannot be batched
            return None, False
        same = batch.shape == singles.shape and np.abs(batch - singles).max() <= _CLOSE * np.abs(singles).max()
        return session, bool(same)


class OnnxEncoder(Encoder):
    """Base class of encoders of aligned crops whose network is an ONNX file.

    Subclasses implement `encode` with `run`. `mean`, `scale`: one number, or one for each channel in the order of
    `colour`. The other parameters are those of `lfnet.encoders.face_embedding.FaceEmbedding`.
    """

    needs = frozenset({"crops"})
    crop_size: int

    def __init__(
        self,
        name: str,
        weights: WeightsFile,
        cache: Path | str,
        *,
        dim: int,
        crop_size: int,
        mean: float | Sequence[float],
        scale: float | Sequence[float],
        colour: str = "rgb",
        batch_size: int,
        device: str,
        threads: int | None,
    ) -> None:
        self.name, self.dim, self.crop_size, self.batch_size = name, dim, crop_size, batch_size
        self._weights, self._cache = weights, Path(cache)
        self._mean, self._scale = (np.full(3, value, np.float32) for value in (mean, scale))
        self._colour, self._device, self._threads = colour, device, threads
        self._network: BatchedNetwork | None = None

    def recipe(self) -> dict[str, Any]:
        """Describe weights and preprocessing as JSON."""
        return {
            "encoder": type(self).__name__,
            "weights": self._weights.digest(self._cache),
            "dim": self.dim,
            "crop_size": self.crop_size,
            "mean": self._mean.tolist(),
            "scale": self._scale.tolist(),
            "colour": self._colour,
        }

    def run(self, crops_NHWC: np.ndarray) -> np.ndarray:
        """Return the network's output, float32 [N, dim], for uint8 crops, `batch_size` at a time.

        Raises `LfnetError` where weights are missing or wrong, or the device cannot be used.
        """
        vectors = np.empty((len(crops_NHWC), self.dim), np.float32)
        for start in range(0, len(crops_NHWC), self.batch_size):
            part = slice(start, start + self.batch_size)
            vectors[part] = self._load()(self._prepare(crops_NHWC[part]))
        return vectors

    def close(self) -> None:
        """Free the network."""
        self._network = None

    def _prepare(self, crops_NHWC: np.ndarray) -> np.ndarray:
        ordered = crops_NHWC[..., ::-1] if self._colour == "bgr" else crops_NHWC
        scaled = (ordered.astype(np.float32) - self._mean) / self._scale
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def _probe(self, count: int) -> np.ndarray:
        shape = (count, self.crop_size, self.crop_size, 3)
        return self._prepare(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))

    def _load(self) -> BatchedNetwork:
        if self._network is None:
            providers(self._device)  # refuse a wrong device before a download
            path = self._weights.fetch(self._cache)
            network = BatchedNetwork(path, self._device, self._threads, self._probe)
            if network.dim != self.dim:
                raise LfnetError(
                    f"{path} gives {network.dim} numbers a face, but encoder.{self.name}.dim is {self.dim}: "
                    f"set encoder.{self.name}.dim={network.dim}."
                )
            self._network = network
        return self._network


def providers(device: str) -> list[tuple[str, dict[str, Any]]]:
    """Return onnxruntime's providers for `device` ("cpu", "cuda" or "cuda:N"). Raises `LfnetError` if it has none."""
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
            f"{', '.join(available)}). Run `pip install 'lfnet[gpu]'`, then `pip install --force-reinstall --no-deps "
            "onnxruntime-gpu`, which replaces its files; or set encoder.device=cpu."
        )
    # Full float32 and a fixed choice of kernels, so that features depend on the graphics card as little as possible.
    options = {"device_id": int(number or 0), "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    return [("CUDAExecutionProvider", options), ("CPUExecutionProvider", {})]


def open_session(model: Path | bytes, device: str, threads: int | None) -> Any:
    """Start an onnxruntime session with a file or its bytes. Raises `LfnetError` where that is impossible."""
    import onnxruntime

    wanted = providers(device)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: it warns about every initializer that it removes
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    try:
        source = model if isinstance(model, bytes) else str(model)
        session = onnxruntime.InferenceSession(source, options, providers=wanted)
    except Exception as error:
        if isinstance(model, bytes):
            raise
        reason = (
            " ".join(str(error).split()) if str(model).isprintable() else "its path is not UTF-8: rename the folder"
        )
        raise LfnetError(f"onnxruntime cannot load {model} ({reason}).") from error
    if session.get_providers()[0] != wanted[0][0]:  # it falls back to the CPU without an error
        raise LfnetError(
            f"encoder.device={device}, but onnxruntime could not start CUDA and would use the CPU. Check the "
            "driver, CUDA and cuDNN against onnxruntime-gpu's requirements, or set encoder.device=cpu."
        )
    return session


def _check_graph(model: "onnx.ModelProto", path: Path, image: tuple[int, ...]) -> tuple[str, str]:
    """Return the names of the graph's image input and of its first output."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or not model.graph.output:
        raise LfnetError(f"{path} takes {len(inputs)} inputs: give a network with one input, images [B, 3, S, S].")
    sizes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]  # 0: any
    if len(sizes) != 4 or any(size not in (0, given) for size, given in zip(sizes[1:], image, strict=True)):
        raise LfnetError(
            f"{path} takes images {sizes} (0: any), but the encoder's crop_size gives {['B', *image]}: "
            "set crop_size to the network's side."
        )
    return inputs[0].name, model.graph.output[0].name


def _free_batch(model: "onnx.ModelProto") -> None:
    """Make the graph's first axis variable, in place: inputs, outputs, and reshapes to a fixed batch of one."""
    from onnx import numpy_helper

    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    for value in [value for value in graph.input if value.name not in constants] + list(graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]  # inner shapes with the old batch size; onnxruntime infers them again
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape" and len(node.input) > 1}
    tensors = [tensor for tensor in graph.initializer if tensor.name in shapes]
    for node in graph.node:
        if node.op_type == "Constant" and node.output[0] in shapes:
            tensors += [attribute.t for attribute in node.attribute if attribute.name == "value"]
    for tensor in tensors:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:
            shape[0] = 0  # in a Reshape: the length of the input's axis
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
