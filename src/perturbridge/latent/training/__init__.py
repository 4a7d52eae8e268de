"""One training loop: seeded, watched, interruptible at any step, alone or over several processes."""
