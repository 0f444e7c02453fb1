"""A TWS / IB Gateway of our own: it speaks the real protocol on a real socket, and keeps its own truth.

    gateway = Gateway(accounts=("DU1000001",), seed=7)
    async with gateway:
        gateway.market.trade("QQQ", 500.10)
        ...                                    # a client connects to 127.0.0.1:gateway.port, and buys
        assert gateway.truth.positions("DU1000001") == {"QQQ": 100}

To read: `simulator` is what a test holds in its hand. `layouts` is the protocol, `layout` says how it is written down.
`session` is one connection, `about_*` answer requests. `desk`, `matching` and `book` are the broker. `faults` is what
can go wrong. `python -m gateway` is all of it in a process of its own, and `remote` drives that.
"""

from gateway.simulator import ClientBroke, Gateway

__all__ = ["ClientBroke", "Gateway"]
