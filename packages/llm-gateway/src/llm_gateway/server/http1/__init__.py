"""HTTP/1.1 as a server speaks it: a parser without I/O, a connection, and one request with its reply."""
