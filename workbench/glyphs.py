"""Every character beyond ASCII that the program draws of its own accord, with its ASCII form.

`to_ascii` turns finished text into ASCII, so that nothing that draws has to know which it is.
"""

from __future__ import annotations

# Signs by meaning: (Unicode, ASCII). Each is one cell wide in both forms.
SIGNS = {
    "done": ("✓", "+"),
    "partly": ("◐", "~"),
    "open": ("·", "."),
    "wrong": ("✗", "x"),
    "broken": ("⚠", "!"),
    "undecided": ("?", "?"),
    "cursor": ("▸", ">"),
    "folded": ("▹", ">"),
    "unfolded": ("▾", "v"),
    "bullet": ("•", "*"),
    "kept": ("●", "@"),
    "pruned": ("○", "o"),
    "best": ("★", "*"),
    "chosen": ("◉", "@"),
    "unchosen": ("○", "o"),
    "ticked": ("■", "x"),
    "unticked": ("□", "_"),
    "more": ("…", "."),
}

# Marks that tell the series of a plot apart by form alone: (Unicode, ASCII). None looks like an axis.
MARKS = (
    ("●", "o"),
    ("▲", "x"),
    ("■", "#"),
    ("◆", "*"),
    ("○", "@"),
    ("△", "%"),
    ("□", "&"),
    ("◇", "$"),
)

# Shades of a heat map from empty to full: (Unicode, ASCII).
SHADES = (" ░▒▓█", " .:-=+*#%@")

# What may stand in text that came from elsewhere, and how it is written without Unicode.
_ASCII = {
    **dict(MARKS),
    **{unicode: plain for unicode, plain in SIGNS.values() if unicode != plain},
    **dict.fromkeys("─━═╌┄┈╶╴", "-"),
    **dict.fromkeys("│┃║╎╷╵", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛╞╡╪", "+"),
    **dict.fromkeys("█▓▉▊▋▀▄▁▂▃▅▆▇", "#"),
    **dict.fromkeys("▒▌▐▍", "="),
    **dict.fromkeys("░▎▏", "-"),
    **dict.fromkeys("⎡⎢⎣⎤⎥⎦", "|"),
    **dict.fromkeys("⎛⎜⎝⎞⎟⎠⎧⎨⎩⎫⎬⎭", "|"),
    "…": "...",
    "·": ".",
    "×": "x",
    "−": "-",
    "–": "-",
    "—": "-",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "∼": "~",
    "→": "->",
    "←": "<-",
    "↑": "^",
    "↓": "v",
    "⇒": "=>",
    "∞": "inf",
    "√": "sqrt",
    "∑": "sum",
    "∂": "d",
    "∇": "grad",
    "∈": "in",
    "‖": "||",
    "ᵀ": "^T",
    "⊤": "T",
    "ℓ": "l",
    "½": "1/2",
    "Θ": "Theta",
    "Ω": "Omega",
    "Δ": "Delta",
    "Σ": "Sigma",
    "Φ": "Phi",
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "eps",
    "η": "eta",
    "θ": "theta",
    "λ": "lambda",
    "μ": "mu",
    "π": "pi",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "φ": "phi",
    "ω": "omega",
}


def sign(name: str, *, ascii_only: bool = False) -> str:
    """The sign for a meaning, in the form asked for."""
    return SIGNS[name][ascii_only]


def to_ascii(text: str) -> str:
    """Text without a character beyond ASCII: by the table, else by decomposition, else `?`.

    Superscripts and subscripts become `^2` and `_2`.
    """
    if text.isascii():
        return text
    return "".join(char if char.isascii() else _plain(char) for char in text)


def _plain(char: str) -> str:
    if char in _ASCII:
        return _ASCII[char]
    import unicodedata

    if unicodedata.combining(char):
        return ""
    form = unicodedata.decomposition(char)
    mark = "^" if form.startswith("<super>") else "_" if form.startswith("<sub>") else ""
    simple = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    if simple:
        return mark + simple
    return "." if "⠀" <= char <= "⣿" and char != "⠀" else "?" if char != "⠀" else " "
