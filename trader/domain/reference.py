"""Numbers as people read them, and the references that orders carry to the broker."""

from datetime import datetime

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SIGNAL = "S-"
_LONGEST = 40


def base32(number: int) -> str:
    """A number in Crockford's base 32, at least four digits: short, and hard to misread."""
    digits = ""
    while number:
        number, digit = divmod(number, 32)
        digits = _BASE32[digit] + digits
    return digits.rjust(4, "0")


def reference_number(ref: str) -> int:
    """Which order of its account and epoch a reference names: the inverse of `order_ref`."""
    number = 0
    for digit in ref.rpartition("-")[2]:
        number = number * 32 + _BASE32.index(digit)
    return number


def signal_id(number: int) -> str:
    """The id of a signal that came without one: which of its account it is."""
    return f"{_SIGNAL}{base32(number)}"


def signal_number(id_: str) -> int:
    """Which signal of its account an id names, when `signal_id` has made it; else 0."""
    digits = id_.removeprefix(_SIGNAL)
    if digits == id_ or not digits or set(digits) - set(_BASE32):
        return 0
    number = reference_number(id_)
    return number if signal_id(number) == id_ else 0


def order_ref(account: str, epoch: int, number: int) -> str:
    """The reference an order carries to the broker: account, book epoch, number. At most 32 of `[A-Za-z0-9-]`.

    The epoch grows when a book is restored, so no reference is ever used twice.
    """
    return f"{account}-{epoch}-{base32(number)}"


def first_epoch(made_at: datetime) -> int:
    """The epoch that a book begins with at a broker outside: the second in which it was made.

    Such a broker remembers the references of a book that is gone, and may hear those of another one beside it. A
    restored book's epoch is one more than any of its own, and below that of every book made later.
    """
    return int(made_at.timestamp())


def epoch_of(ref: str) -> int:
    """Which epoch of its book a reference was made in. Raises ValueError for what is no reference."""
    return int(ref.split("-")[-2])


def is_order_ref(text: str, account: str) -> bool:
    """Whether a text is the reference of an order of this account, exactly as `order_ref` makes it."""
    epoch, _, digits = text.removeprefix(f"{account}-").partition("-")
    if not epoch.isascii() or not epoch.isdigit() or len(text) > _LONGEST or not digits or set(digits) - set(_BASE32):
        return False
    return text == order_ref(account, int(epoch), reference_number(digits))
