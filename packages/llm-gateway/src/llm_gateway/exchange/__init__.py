"""One request's life, without sockets and without any vendor's name."""
