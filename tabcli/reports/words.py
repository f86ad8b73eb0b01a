"""Numbers as they are said and written in a report."""


def short(value: float, digits: int = 3) -> str:
    """A number as it is said: three significant digits, with k, M or bn.

    >>> short(289_731_004), short(9_130_000, 2), short(-12.34), short(0.0)
    ('290 M', '9.1 M', '-12.3', '0')
    """
    for size, unit in ((1e9, " bn"), (1e6, " M"), (1e3, " k"), (1.0, "")):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded) >= size:
            scaled = rounded / size
            whole = len(str(int(abs(scaled))))
            return f"{scaled:,.{max(digits - whole, 0)}f}{unit}"
    return f"{value:.{digits}g}"


def change_text(change: float) -> str:
    """A relative change in words.

    >>> change_text(0.031), change_text(-0.2), change_text(0.001)
    ('3 % above', '20 % below', 'as many as on')
    """
    percent = round(100 * abs(change))
    if not percent:
        return "as many as on"
    return f"{percent} % {'above' if change > 0 else 'below'}"


def signed(share: float, digits: int = 0) -> str:
    """A share with its sign, in percent.

    >>> signed(0.312), signed(-0.005, 1), signed(-0.001)
    ('+31 %', '−0.5 %', '0 %')
    """
    text = f"{100 * share:+.{digits}f}"
    return f"{text[1:] if not float(text) else text.replace('-', '−')} %"


def side(bias: float | None) -> str:
    """A bias in words.

    >>> side(0.19), side(-0.031), side(0.001)
    ('19 % too high in sum', '3 % too low in sum', 'right in sum')
    """
    percent = round(100 * abs(bias or 0))
    return f"{percent} % too {'high' if (bias or 0) > 0 else 'low'} in sum" if percent else "right in sum"


def percent_or_dash(value: float | None, *, sign: bool = False) -> str:
    """A share in percent with one digit after the point; a dash for None."""
    if value is None:
        return "–"
    return signed(value, 1) if sign else f"{100 * value:.1f} %"


def value_text(value: float | None) -> str:
    """A number with four significant digits, or whole from 1,000 on; a dash for None."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def plural(unit: str) -> str:
    """What several units are called."""
    return unit if unit.endswith("s") else f"{unit}s"


def unit_of(frequency: str, n: int) -> str:
    """What a step is called, n of them: hours, days, weeks, months; or steps of 2w.

    >>> unit_of("1d", 48), unit_of("7d", 1), unit_of("2w", 8)
    ('days', 'week', 'steps of 2w')
    """
    name = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month", "7d": "week", "24h": "day"}.get(frequency)
    if name is None:
        return f"steps of {frequency}"
    return name if n == 1 else f"{name}s"
