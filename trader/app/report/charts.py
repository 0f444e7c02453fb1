"""The report's pictures, as the figures that plotly draws: data and layout, no code.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; no meaning is in a colour alone.
"""

from collections.abc import Sequence
from datetime import datetime

from trader.app.latency_figures import CLASSES, LatencyFigures
from trader.app.report.course import Day, Point
from trader.app.report.figures import Figures, Group
from trader.domain.session import NEW_YORK

Chart = dict[str, object]
Mark = tuple[datetime, str]
Candle = tuple[datetime, float, float, float, float]
"""Start, open, high, low, close."""

_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#888888"


def equity(points: Sequence[Point], told: Sequence[Mark] = (), loss_limit: float | None = None) -> Chart:
    """An account's equity, and below it the drawdown; marks where something had to be told, a line at the limit."""
    times = [_local(point.at) for point in points]
    marks = [
        {"x": _local(at), "y": 1, "yref": "paper", "text": "▼", "showarrow": False, "hovertext": what}
        for at, what in told
    ]
    limit = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": loss_limit, "y1": loss_limit}
    limit_line = {**limit, "line": {"color": _ORANGE, "dash": "dash"}, "label": {"text": "loss limit"}}
    return {
        "data": [
            _line(times, [point.equity for point in points], "equity", _BLUE),
            {
                **_line(times, [point.drawdown for point in points], "drawdown", _ORANGE),
                "yaxis": "y2",
                "fill": "tozeroy",
            },
        ],
        "layout": {
            "yaxis": {"title": {"text": "equity, $"}, "domain": [0.34, 1]},
            "yaxis2": {"title": {"text": "drawdown, $"}, "domain": [0, 0.26]},
            "xaxis": {"anchor": "y2"},
            "annotations": marks,
            "shapes": [limit_line] if loss_limit is not None else [],
            "height": 420,
        },
    }


def days(of: Sequence[Day]) -> Chart:
    """Profit and loss of each date."""
    return _bars([day.day.isoformat() for day in of], [day.pnl for day in of], "P&L, $", {"type": "category"})


def groups(of: Sequence[Group]) -> Chart:
    """Profit and loss by what round trips have in common."""
    return _bars([group.name for group in of], [group.pnl for group in of], "P&L, $", {"type": "category"})


def distribution(figures: Figures) -> Chart:
    """How many round trips made or lost how much."""
    pnls = [trip.pnl for trip in figures.round_trips]
    return {
        "data": [{"type": "histogram", "x": pnls, "marker": {"color": _BLUE}, "name": "round trips"}],
        "layout": {"xaxis": {"title": {"text": "P&L of a round trip, $"}}, "yaxis": {"title": {"text": "round trips"}}},
    }


def refusals(figures: Figures) -> Chart:
    """The rules that refused most."""
    most = figures.refused[:12][::-1]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "x": [refused.signals for refused in most],
                "y": [f"{refused.stage}.{refused.rule}" for refused in most],
                "marker": {"color": _GREY},
            }
        ],
        "layout": {"xaxis": {"title": {"text": "signals"}}, "yaxis": {"automargin": True}},
    }


def latencies(of: Sequence[LatencyFigures]) -> Chart:
    """Which share of each took up to so long; told apart by pattern and place, too."""
    styles = ((_BLUE, ""), (_ORANGE, "/"), (_GREEN, "x"), (_GREY, "."))
    return {
        "data": [
            {
                "type": "bar",
                "name": figures.name.replace("_", " "),
                "x": CLASSES,
                "y": [round(100 * count / figures.total, 3) for count in figures.counts],
                "marker": {"color": color, "pattern": {"shape": pattern}},
            }
            for figures, (color, pattern) in zip(of, styles, strict=False)
            if figures.total
        ],
        "layout": {
            "barmode": "group",
            "showlegend": True,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02},
            "margin": {"t": 90, "r": 20, "b": 45},
            "height": 360,
            "xaxis": {"type": "category", "title": {"text": "took up to"}},
            "yaxis": {"title": {"text": "share, %"}},
        },
    }


def candles(bars: Sequence[Candle], marks: Sequence[Mark]) -> Chart:
    """Start, open, high, low, close of each bar, and what happened among them."""
    times, opens, highs, lows, closes = zip(*bars, strict=True)
    return {
        "data": [
            {
                "type": "candlestick",
                "x": [_local(at) for at in times],
                "open": opens,
                "high": highs,
                "low": lows,
                "close": closes,
                "increasing": {"line": {"color": _BLUE}},
                "decreasing": {"line": {"color": _ORANGE}},
            }
        ],
        "layout": {
            "xaxis": {"rangeslider": {"visible": False}},
            "yaxis": {"title": {"text": "price, $"}},
            "annotations": [
                {"x": _local(at), "y": 1, "yref": "paper", "text": f"▼ {what}", "showarrow": False}
                for at, what in marks
            ],
        },
    }


def _line(times: Sequence[str], values: Sequence[float], name: str, color: str) -> Chart:
    shape = {"color": color, "shape": "hv"}
    return {"type": "scatter", "mode": "lines", "x": times, "y": values, "name": name, "line": shape}


def _bars(names: Sequence[str], values: Sequence[float], title: str, axis: Chart) -> Chart:
    colors = [_BLUE if value >= 0 else _ORANGE for value in values]
    return {
        "data": [{"type": "bar", "x": names, "y": values, "marker": {"color": colors}}],
        "layout": {"xaxis": axis, "yaxis": {"title": {"text": title}}},
    }


def _local(at: datetime) -> str:
    """New York's wall clock: plotly knows no zones."""
    return at.astimezone(NEW_YORK).replace(tzinfo=None).isoformat()
