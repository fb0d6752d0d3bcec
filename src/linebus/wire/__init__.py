"""How messages look: their types, their bytes. No state, no meaning, no I/O."""
