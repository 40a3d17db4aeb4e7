"""A gSOAP server as oracle: what a server like the legacy one accepts, this service accepts, or says why not."""
