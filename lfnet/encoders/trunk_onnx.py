"""Translate truncated MobileNetV3-Small into an ONNX graph, layer by layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["to_onnx"]


def to_onnx(network: Any, mean: Sequence[float], std: Sequence[float]) -> bytes:
    """Translate a network of `lfnet.encoders.trunk_network.cut_network` into ONNX, preceded by normalisation.

    Input "images", uint8 [N, S, S, 3]; output "vectors", float32 [N, D]. Batch normalisation is folded into the
    convolutions, in float64. Raises `TypeError` for a layer that MobileNetV3 does not have.
    """
    graph = _Graph()
    graph.constant("scale", 1 / (255 * np.array(std)).reshape(1, 3, 1, 1))
    graph.constant("shift", -(np.array(mean) / np.array(std)).reshape(1, 3, 1, 1))
    value = graph.node("Cast", ["images"], to=1)
    value = graph.node("Transpose", [value], perm=[0, 3, 1, 2])
    value = graph.node("Add", [graph.node("Mul", [value, "scale"]), "shift"])
    layers = list(network)
    while layers:
        layer = layers.pop(0)
        kind = type(layer).__name__
        if kind == "Conv2d":
            value = graph.convolution(value, layer, layers.pop(0))
        elif kind == "ConvBnAct":
            value = graph.convolution(value, layer.conv, layer.bn1)
        elif kind == "DepthwiseSeparableConv":
            value = graph.block(value, layer, [("conv_dw", "bn1"), None, ("conv_pw", "bn2")])
        elif kind == "InvertedResidual":
            value = graph.block(value, layer, [("conv_pw", "bn1"), ("conv_dw", "bn2"), None, ("conv_pwl", "bn3")])
        elif kind == "AdaptiveAvgPool2d":
            value = graph.node("GlobalAveragePool", [value])
        elif kind == "Flatten":
            value = graph.node("Flatten", [value], name="vectors", axis=1)
        else:
            raise TypeError(f"{kind} is no layer of MobileNetV3")
    return graph.model()


class _Graph:
    """Nodes and constants of a graph, in order."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        output = name or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def convolution(self, value: str, layer: Any, norm: Any = None) -> str:
        """Add a convolution with the following batch normalisation folded in, and the activation of the latter."""
        weight = layer.weight.detach().double().numpy()
        bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().numpy()
        if norm is not None:
            mean, variance = norm.running_mean.double().numpy(), norm.running_var.double().numpy()
            factor = norm.weight.detach().double().numpy() / np.sqrt(variance + norm.eps)
            weight = weight * factor[:, None, None, None]
            bias = (bias - mean) * factor + norm.bias.detach().double().numpy()
        number = len(self._constants)
        inputs = [value, self.constant(f"w{number}", weight), self.constant(f"b{number}", bias)]
        down, across = layer.padding
        out = self.node(
            "Conv",
            inputs,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=[down, across, down, across],
            group=layer.groups,
        )
        return out if norm is None else self.activation(out, norm.act)

    def activation(self, value: str, layer: Any) -> str:
        kind = type(layer).__name__
        if kind == "Identity":
            return value
        if kind == "ReLU":
            return self.node("Relu", [value])
        if kind == "Hardswish":
            return self.node("HardSwish", [value])
        if kind == "Hardsigmoid":
            return self.node("HardSigmoid", [value], alpha=1 / 6, beta=0.5)
        raise TypeError(f"{kind} is no activation of MobileNetV3")

    def block(self, value: str, layer: Any, parts: list[tuple[str, str] | None]) -> str:
        """Add convolutions by name, None for squeeze-and-excitation, and the skip connection if there is one."""
        out = value
        for part in parts:
            if part is not None:
                out = self.convolution(out, getattr(layer, part[0]), getattr(layer, part[1]))
            elif type(layer.se).__name__ == "SqueezeExcite":
                squeezed = self.node("GlobalAveragePool", [out])
                squeezed = self.activation(self.convolution(squeezed, layer.se.conv_reduce), layer.se.act1)
                gate = self.activation(self.convolution(squeezed, layer.se.conv_expand), layer.se.gate)
                out = self.node("Mul", [out, gate])
            elif type(layer.se).__name__ != "Identity":
                raise TypeError(f"{type(layer.se).__name__} is no layer of MobileNetV3")
        return self.node("Add", [out, value]) if layer.has_skip else out

    def model(self) -> bytes:
        from onnx import TensorProto, helper

        images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "height", "width", 3])
        vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", "d"])
        graph = helper.make_graph(self._nodes, "trunk", [images], [vectors], self._constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        return bytes(made.SerializeToString())
