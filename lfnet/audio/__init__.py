"""The sound track of a video: samples on the clock of its frames, voice activity and spectra.

Axes in names: N samples, T windows, F frequencies, B bands of the mel scale.
"""
