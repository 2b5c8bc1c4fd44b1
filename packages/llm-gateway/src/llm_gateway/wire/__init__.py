"""What crosses the gateway on the wire, beyond any dialect."""
