"""The command line: one file a command; it composes the other parts and decides nothing."""
