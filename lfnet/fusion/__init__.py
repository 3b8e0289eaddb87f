"""LightFusionNet on scikit-learn: scores from clip descriptors, as published and with nested selection. No torch.

Two modalities, visual and physiological (pulse-rate variability), each have a regressor; a joint model combines them.
"""
