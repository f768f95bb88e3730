"""The process beside the hypervisor. It has no database: what it must know
comes with the messages, what it must tell goes to the conductor, and what it
must remember is in its write-ahead log."""
