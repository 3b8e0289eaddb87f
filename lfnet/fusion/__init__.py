"""LightFusionNet on scikit-learn: scores from clip descriptors, as published and with nested selection. No torch.

Two modalities, visual and physiological (pulse-rate variability), each have a regressor; a joint model combines them.
Sound is a third one, which is not published, and has the regressor of the visual one.
Shapes: D features, rows of segments or clips, float64.

References
----------
Bilal, Khan & Shafait 2026, "LightFusionNet: A Lightweight Multimodal Fusion Framework Combining Facial Dynamics and
rPPG Signals for Depression Severity Detection", submitted.
"""
