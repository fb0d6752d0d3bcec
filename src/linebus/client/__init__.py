"""What asks: a pure session and the clients around it."""
