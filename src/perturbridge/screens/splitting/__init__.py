"""Which perturbations train and which test."""
