"""Skin colour becomes a pulse, a pulse becomes variability features. From a pulse it is PRV, not HRV."""
