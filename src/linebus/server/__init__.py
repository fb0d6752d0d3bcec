"""The process that runs a broker: its loop, its sockets, its configuration; the broker's clock."""
