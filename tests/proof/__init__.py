"""The proof: the whole daemon against the gateway, over a real socket, through everything that can go wrong.

virtual_time   a loop whose time stands while anything is on its way: a minute of trading takes milliseconds
host           the machine under a life of the daemon, which can die
rig            the gateway, its market, and one life of the daemon after the other
truth          what the book and the gateway have to agree on; an empty answer is a yes
stages         what the daemon is doing when it happens
troubles       what happens
"""
