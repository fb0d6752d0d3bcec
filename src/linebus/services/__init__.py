"""The built-in services, one file a family, and how to declare and find a service.

`declare` turns a typed function into a service, by what `signature` reads in it, `arguments` makes
of words and `compiler` writes; `catalog` finds services by name; `numbers` answers questions about
integers. Nothing here knows sockets, clocks or messages.
"""
