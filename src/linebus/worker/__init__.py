"""What answers: a pure session, the guardian process, and the executors that run the services."""
