"""Training of one head: settings, losses, pre-training, fitting and prediction."""
