"""One request's life, without sockets of its own and without any vendor's name."""
