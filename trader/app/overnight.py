"""What each account may hold over the close, as the configuration has it, for the audit."""

from trader.app.sections import ExitsSection, OptionsSection
from trader.app.settings import Settings


def may_stay(settings: Settings) -> dict[str, dict[str, bool]]:
    """Account -> symbol, or `*` for every other, `*option` for every other option -> whether it may stay."""
    declared = {
        name: _stays(
            settings.exits.model_copy(update={key: getattr(one.exits, key) for key in one.exits.model_fields_set}),
            settings.options.model_copy(
                update={key: getattr(one.options, key) for key in one.options.model_fields_set}
            ),
        )
        for name, one in settings.accounts.items()
    }
    return {**declared, settings.account.name: _stays(settings.exits, settings.options)}


def _stays(exits: ExitsSection, options: OptionsSection) -> dict[str, bool]:
    return {
        "*": exits.overnight,
        "*option": options.overnight,
        **{symbol: distances.overnight for symbol, distances in exits.symbols.items()},
        **{symbol: distances.overnight for symbol, distances in options.symbols.items()},
    }
