"""What shares and contracts are worth, reckoned without the product: its own word is what is looked at."""

_LONGEST_OF_A_STOCK = 14
_SHARES_OF_A_CONTRACT = 100


def worth_micros(symbol: str, quantity: int, price_micros: int) -> int:
    """So many shares of a stock, or contracts of an option, at a price of one share: no stock's symbol is as long."""
    return quantity * price_micros * (_SHARES_OF_A_CONTRACT if len(symbol) > _LONGEST_OF_A_STOCK else 1)
