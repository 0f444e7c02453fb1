"""The proof: the whole daemon against the gateway, over a real socket, through everything that can go wrong.

rig          the gateway, its market, and one life of the daemon after the other
in_process   the daemon as a task that can die, in `virtual_time`: a minute of trading takes milliseconds
own_process  the daemon as a process that is killed by SIGKILL, in `fast_time`
stages       what the daemon is doing when it happens
troubles     what happens
exits        what is protected at the gateway, and what its exits could sell
truth        what the book, the daemon and the gateway have to agree on; an empty answer is a yes
matrix       every stage and every trouble
day          a whole trading day of troubles
summary      what is said of all that at the end of a test session
"""
