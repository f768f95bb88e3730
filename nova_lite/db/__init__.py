"""The two databases: the API database (what is global) and the cell database
(servers). Only api, conductor and scheduler may import this package."""
