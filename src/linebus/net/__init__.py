"""Sockets as all of our processes set them up; it decides nothing."""
