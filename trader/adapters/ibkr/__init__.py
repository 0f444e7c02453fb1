"""Interactive Brokers, through TWS or IB Gateway. The client library is imported in `client_library.py` alone."""
