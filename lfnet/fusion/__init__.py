"""Clip descriptors become scores: LightFusionNet as published and as it should be done. No torch."""
