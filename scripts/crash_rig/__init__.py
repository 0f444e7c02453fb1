"""Kill the real daemon wherever it writes or sends, again and again, and compare its book with what the broker knows.

python scripts/crash_rig --crashes 2000 --seed 7

points         where a life may end, read off the code
broker_process the broker, in a process of its own: the truth that no crash of the daemon touches
life           one life of the daemon: forked, instrumented, killed
checks         what has to be true of a dead book, and of one that has recovered
campaign       lives in a row on one book, until everything is settled; many of them

python scripts/crash_rig --broker gateway --crashes 100

gateway_daemon    the daemon before the gateway of the tests, with the same failpoints
gateway_campaign  its lives; the rig of `tests/proof` holds the gateway and says whether both sides agree
"""
