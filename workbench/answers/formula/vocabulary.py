"""Every word, sign and LaTeX command that a formula may contain, as tables.

A new function is one line in `FUNCTIONS`; whoever evaluates trees decides what it means there.
"""

from __future__ import annotations

from typing import Final

from workbench.answers.formula.tree import Relation

MANY: Final = 30

# name: (fewest, most) arguments
FUNCTIONS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(("log", "log2", "log10", "exp", "sqrt", "abs", "floor", "ceil"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tan", "sinh", "cosh", "tanh", "erf"), (1, 1)),
    **dict.fromkeys(("sigmoid", "relu", "softplus", "softmax", "softmax_row", "softmax_col"), (1, 1)),
    **dict.fromkeys(("tr", "det", "diag", "sum", "norm", "norm_F", "norm_1", "norm_2"), (1, 1)),
    **dict.fromkeys(("max", "min"), (1, MANY)),
}
# Other spellings. `inv` and `transpose` become a power and a transpose.
ALIASES: Final[dict[str, str]] = {
    "ln": "log",
    "lg": "log2",
    "log_2": "log2",
    "log_10": "log10",
    "trace": "tr",
    "Tr": "tr",
    "inv": "inv",
    "transpose": "transpose",
}
FUNCTION_WORDS: Final = {**{word: word for word in FUNCTIONS}, **ALIASES}
# These take their argument without brackets too: log k.
BARE: Final = frozenset(FUNCTIONS) - {"max", "min", "diag", "sum", "norm", "norm_F", "norm_1", "norm_2"}

CONSTANTS: Final = {"e": "e", "pi": "pi", "π": "pi"}

_GREEK: Final = (
    ("alpha", "α"),
    ("beta", "β"),
    ("gamma", "γ"),
    ("delta", "δ"),
    ("epsilon", "ε"),
    ("zeta", "ζ"),
    ("eta", "η"),
    ("theta", "θ"),
    ("iota", "ι"),
    ("kappa", "κ"),
    ("lambda", "λ"),
    ("mu", "μ"),
    ("nu", "ν"),
    ("xi", "ξ"),
    ("omicron", "ο"),
    ("pi", "π"),
    ("rho", "ρ"),
    ("sigma", "σ"),
    ("tau", "τ"),
    ("upsilon", "υ"),
    ("phi", "φ"),
    ("chi", "χ"),
    ("psi", "ψ"),
    ("omega", "ω"),
)
GREEK: Final = {
    **dict(_GREEK),
    **{word.capitalize(): letter.upper() for word, letter in _GREEK},
}
GREEK_WORDS: Final = {letter: word for word, letter in GREEK.items()}

RELATIONS: Final[dict[str, Relation]] = {
    "O": "O",
    "o": "o",
    "Θ": "Θ",
    "Theta": "Θ",
    "theta": "Θ",
    "θ": "Θ",
    "Ω": "Ω",
    "Omega": "Ω",
    "ω": "ω",
    "omega": "ω",
}
BIG: Final[dict[Relation, Relation]] = {"o": "O", "ω": "Ω"}

SUPERSCRIPTS: Final = {
    **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾", "0123456789+-()", strict=True)),
    **dict(zip("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", "abcdefghijklmnoprstuvwxyz", strict=True)),
    "ᵀ": "⊤",
}
SUBSCRIPTS: Final = {
    **dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True)),
    **dict(zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "aehijklmnoprstuvx", strict=True)),
}
RAISED_DIGITS: Final = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
LOWERED_DIGITS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

# One character as typed: what it stands for.
CHARACTERS: Final = {
    **dict.fromkeys("×·⋅∗•∙", "*"),
    **dict.fromkeys("−–—‐‑", "-"),
    **dict.fromkeys("÷∕⁄", "/"),
    **dict.fromkeys("⊙∘○", ".*"),
    **dict.fromkeys("∥‖", "‖"),
    **dict.fromkeys("′’ʹ", "'"),
    **dict.fromkeys("⊤⊺", "⊤"),
    "∆": "Δ",
    "ς": "σ",
    "∣": "|",
    "⌈": "ceil(",
    "⌉": ")",
    "⌊": "floor(",
    "⌋": ")",
    **{
        sign: f"({parts})"
        for sign, parts in {
            "½": "1/2",
            "⅓": "1/3",
            "⅔": "2/3",
            "¼": "1/4",
            "¾": "3/4",
            "⅕": "1/5",
            "⅖": "2/5",
            "⅗": "3/5",
            "⅘": "4/5",
            "⅙": "1/6",
            "⅚": "5/6",
            "⅛": "1/8",
            "⅜": "3/8",
            "⅝": "5/8",
            "⅞": "7/8",
        }.items()
    },
}

# LaTeX commands: what they stand for. `\frac` and `\sqrt` stay commands, fonts and sizes vanish.
COMMANDS: Final = {
    **GREEK,
    "varepsilon": "ε",
    "vartheta": "θ",
    "varphi": "φ",
    "varrho": "ρ",
    "varsigma": "σ",
    "ell": "l",
    **dict.fromkeys(("cdot", "times", "ast", "cdotp"), "*"),
    **dict.fromkeys(("odot", "circ"), ".*"),
    "div": "/",
    **dict.fromkeys(("top", "intercal"), "⊤"),
    "prime": "'",
    **dict.fromkeys(("|", "Vert", "lVert", "rVert"), "‖"),
    **dict.fromkeys(("vert", "lvert", "rvert", "mid"), "|"),
    **dict.fromkeys(("{", "lbrace", "lbrack"), "("),
    **dict.fromkeys(("}", "rbrace", "rbrack"), ")"),
    "lceil": "ceil(",
    "lfloor": "floor(",
    **dict.fromkeys(("rceil", "rfloor"), ")"),
    "_": "_",
    **dict.fromkeys(("frac", "tfrac", "dfrac"), "\\frac"),
    "sqrt": "\\sqrt",
    **{word: f" {word}" for word in ("log", "ln", "lg", "exp", "max", "min", "det")},
    **{word: f" {word}" for word in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **dict.fromkeys((",", ";", ":", "!", " ", ">", "\\", "\n", "quad", "qquad", "thinspace"), " "),
    **dict.fromkeys(("displaystyle", "textstyle", "limits", "nolimits"), " "),
    # signs that stand in conditions only
    **dict.fromkeys(("le", "leq", "leqslant", "lesssim"), "≤"),
    **dict.fromkeys(("ge", "geq", "geqslant", "gtrsim"), "≥"),
    "ll": "≪",
    "gg": "≫",
    **dict.fromkeys(("sim", "approx", "asymp", "simeq", "propto"), "~"),
}
FONTS: Final = frozenset(
    {"mathrm", "mathbf", "mathit", "mathsf", "mathtt", "mathcal", "mathscr", "mathbb", "mathfrak"}
    | {"boldsymbol", "bm", "text", "textrm", "textbf", "textit", "operatorname"}
)
SIZES: Final = frozenset(
    {"left", "right", "middle", "big", "bigl", "bigr", "Big", "Bigl", "Bigr"}
    | {"bigg", "biggl", "biggr", "Bigg", "Biggl", "Biggr"}
)
