"""The config drive: a small CD that tells a server's guest who it is."""
