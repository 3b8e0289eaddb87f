"""Simulated cohort with known ground truth, and its Bayes predictors (oracles).

The generative model. People p, recordings r of one person, clips c of one recording, frames t of one clip; each h is an
independent standard normal number, Φ the standard normal distribution function.

Severity and label (`people`)::

    u_r = √w a_p + √(1 − w) b_r,                a_p, b_r ~ N(0, 1)       w = within_person
    s_r = min + (max − min) · F⁻¹(Φ(u_r))       F: the beta distribution with label_mean and label_sd
    y_r = clip(round(s_r + label_noise · h), min, max)

Three drives of unit variance, each correlated with u by its own κ (`settings`)::

    κ_m = g_m / √(1 + g_m²),  g_m² = strength² · share_m                 m = level, tempo, burst
    d_m = κ_m u_r + √(1 − κ_m²) · jitter_m                               jitter of unit variance

At strength 0 nothing depends on severity. At any strength the drives have the same distribution, so only the
association with severity changes. strength² is the signal-to-noise ratio of all drives together: a model that saw them
would correlate with u by strength / √(1 + strength²).

Effects of the drives (`signals`), with raw coordinates r_t along six orthonormal directions S of the feature space::

    level   r_t = d_c + h_t;    jitter = √.4 person + √.4 session + √.2 clip: people differ at equal severity
    burst   r_t = offset_c + noise_t + 6 · event_block;    P(event) = Φ(−1.6 + .7 d), drawn for each block
    tempo   r_t = √2 cos(π j φ_t), j = 1 … 4, phases φ spread over each block of frames; a block is played in order
            of phase with probability Φ(d), else its frames (with their noise) are in random order;
            clips are whole blocks

Features (`generator`): x_t = (A S r_t + n_t) / |A S r_t + n_t|, where A holds the amplitudes and n_t is a unit vector
orthogonal to S: a face common to all, the person's, the session's, a slow drift and frame noise, normalised.

A second stream holds the pulse (`pulse`): features of pulse-rate variability with their own association with severity.

As n ⟂ S, r_t = A⁻¹ Sᵀx_t / √(1 − |Sᵀx_t|²) is recovered exactly, and the rest of x is independent of severity given the
person. So the Bayes predictor from the features is the posterior given r (`signals`, `oracle`).

The *set* of frames in a block says nothing about tempo. A piece of a block does, since a block in order begins with the
beginning of its gesture. So models blind to order stay at chance only with windows of whole blocks: lengths and hops
that are multiples of `block`, as 512 and 256 are of 8, 16, 32 and 64.
"""
