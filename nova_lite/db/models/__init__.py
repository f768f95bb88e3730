"""Tables. ``api`` and ``cell`` each have a ``metadata`` of their own, since
they are two databases with two migration branches."""
