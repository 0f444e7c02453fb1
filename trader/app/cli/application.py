"""All commands, put together."""

import typer

from trader.app.cli import (
    alerts,
    auditing,
    breakers,
    cash,
    checking,
    dashboard,
    drilling,
    explaining,
    exporting,
    funnel,
    ibkr,
    ledger,
    moving,
    operating,
    reading,
    rebuilding,
    reconciling,
    replaying,
    reporting,
    restoring,
    running,
    status,
    top,
    watching,
)

application = typer.Typer(
    name="trader",
    help="A trading daemon that cannot lose track of what it holds, why, and how it will get out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

application.command("run")(running.run_command)
application.command("replay")(replaying.replay_command)

application.command("status")(status.status_command)
application.command("top")(top.top_command)
application.command("ledger")(ledger.ledger_command)
application.command("breakers")(breakers.breakers_command)
application.command("reconcile")(reconciling.reconcile_command)
application.command("positions")(reading.positions_command)
application.command("orders")(reading.orders_command)
application.command("trades")(reading.trades_command)
application.command("signals")(reading.signals_command)
application.command("funnel")(funnel.funnel_command)
application.command("why")(explaining.why_command)
application.command("dashboard")(dashboard.dashboard_command)
application.command("report")(reporting.report_command)
application.command("export")(exporting.export_command)

application.command("signal", context_settings={"ignore_unknown_options": True})(operating.signal_command)
application.command("halt")(operating.halt_command)
application.command("resume")(operating.resume_command)
application.command("flatten")(operating.flatten_command)
application.command("stop")(operating.stop_command)
application.command("adjust")(operating.adjust_command)
application.add_typer(cash.cash_application, name="cash")
application.command("resolve")(operating.resolve_command)
application.command("adopt")(operating.adopt_command)

application.command("watch")(watching.watch_command)
application.add_typer(alerts.alerts_application, name="alerts")

application.add_typer(ibkr.ibkr_application, name="ibkr")

application.command("doctor")(checking.doctor_command)
application.add_typer(checking.config_application, name="config")
application.command("calendar")(checking.calendar_command)
application.command("audit")(auditing.audit_command)
application.command("drill")(drilling.drill_command)
application.command("rebuild")(rebuilding.rebuild_command)
application.command("backup")(checking.backup_command)
application.command("restore")(restoring.restore_command)
application.command("move-book")(moving.move_book_command)
application.command("version")(checking.version_command)
