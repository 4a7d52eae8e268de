"""The parts of a simulated screen."""
