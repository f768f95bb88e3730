"""Messages between the daemons: one file a service, client and endpoint side
by side. No message is load-bearing: the database holds the intent, a message
only says that it is there.
"""
