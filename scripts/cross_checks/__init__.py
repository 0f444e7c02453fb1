"""Foreign clients against the simulated gateway: do they get through a day's work?"""
