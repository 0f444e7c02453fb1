"""What of the list nothing here can break yet, and why; the rest of these numbers is looked at, where there is one."""

NOT_YET: dict[int, str] = {
    2: "one live permanent id an intent: only Interactive Brokers gives one; the reference is the identity",
    5: "order ids of a client id: only Interactive Brokers wants them; the numbers of references are judged",
    6: "attribution by permanent id: the same",
    19: "disconnected: the embedded broker has no connection to lose, only answers that do not come",
    20: "the hash of the configuration: the journal has the grounds of each entry, and not yet that",
    34: "two daemons on one book are two processes; tests/processes starts them",
    38: "the embedded broker has no account prefix, no port and no profile",
    40: "no secret comes into the daemon yet; that a seed gives the same trace is a test of its own",
}
"""Of 21 the messages a second, and of 39 the beat of each task, wait for a broker on a socket, too."""
