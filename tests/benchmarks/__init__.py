"""Side-by-side measurements, each contender in a fresh process."""
