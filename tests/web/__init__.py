"""The page's server, over real sockets and a real store."""
