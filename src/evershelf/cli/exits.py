"""Exit codes beyond success (0), failure (1) and wrong usage (2)."""

# A model was made or looked at, and the gate did not let it through.
GATE_HELD = 3
# Nothing was done, because another process is at it.
BUSY = 4
