"""Every sign a formula may hold: its command, its Unicode form and its ASCII form.

The ASCII forms follow what students type: `<=`, `sum`, `grad`. Two signs that may meet in one formula
have two forms.
"""

from __future__ import annotations

import unicodedata

from rich.cells import cell_len

from workbench.maths.nodes import Kind, Symbol

# \epsilon and \phi are drawn as the Greek letters that every terminal font has; their var-forms take
# the rarer shapes, so that a formula with both still shows two letters.
_GREEK = """
    alpha α alpha       beta β beta          gamma γ gamma       delta δ delta        epsilon ε eps
    varepsilon ϵ vareps zeta ζ zeta          eta η eta           theta θ theta        vartheta ϑ vartheta
    iota ι iota         kappa κ kappa        varkappa ϰ varkappa lambda λ lambda      mu μ mu
    nu ν nu             xi ξ xi              omicron ο o         pi π pi              varpi ϖ varpi
    rho ρ rho           varrho ϱ varrho      sigma σ sigma       varsigma ς varsigma  tau τ tau
    upsilon υ upsilon   phi φ phi            varphi ϕ varphi     chi χ chi            psi ψ psi
    omega ω omega       Gamma Γ Gamma        Delta Δ Delta       Theta Θ Theta        Lambda Λ Lambda
    Xi Ξ Xi             Pi Π Pi              Sigma Σ Sigma       Upsilon Υ Upsilon    Phi Φ Phi
    Psi Ψ Psi           Omega Ω Omega
"""
_ORDINARY = """
    infty ∞ inf         partial ∂ d          nabla ∇ grad        forall ∀ forall      exists ∃ exists
    nexists ∄ nexists   ell ℓ ell            hbar ℏ hbar         top ⊤ T              bot ⊥ _|_
    emptyset ∅ {}       varnothing ∅ {}      neg ¬ not           lnot ¬ not           prime ′ '
    square □ []         Box □ []             dagger † dagger     ddagger ‡ ddagger    backslash \\ \\
    vdots ⋮ :           ddots ⋱ \\           % % %               & & &                _ _ _
    # # #               $ $ $
"""
_INNER = "dots … ...  ldots … ...  dotsc … ...  dotso … ...  cdots ⋯ ...  dotsb ⋯ ...  dotsm ⋯ ..."
_BINARY = """
    cdot · *            times × x            div ÷ /             pm ± +-              mp ∓ -+
    ast * *             star ⋆ *             bullet • *          circ ∘ o             odot ⊙ (.)
    otimes ⊗ (*)        oplus ⊕ (+)          ominus ⊖ (-)        setminus ∖ \\        cup ∪ union
    cap ∩ intersect     wedge ∧ /\\          land ∧ /\\          vee ∨ \\/            lor ∨ \\/
    bmod mod mod
"""
_RELATIONS = """
    le ≤ <=             leq ≤ <=             leqslant ≤ <=       ge ≥ >=              geq ≥ >=
    geqslant ≥ >=       lt < <               gt > >              ne ≠ !=              neq ≠ !=
    ll ≪ <<             gg ≫ >>              approx ≈ ~=         sim ∼ ~              simeq ≃ ~-
    cong ≅ =~           equiv ≡ ==           propto ∝ propto     coloneqq ≔ :=        triangleq ≜ =^=
    in ∈ in             notin ∉ notin        ni ∋ contains       subset ⊂ subset      supset ⊃ supset
    subseteq ⊆ subseteq supseteq ⊇ supseteq  prec ≺ prec         succ ≻ succ          preceq ⪯ preceq
    succeq ⪰ succeq     mid | |              parallel ∥ ||       perp ⊥ _|_           to → ->
    rightarrow → ->     longrightarrow → ->  leftarrow ← <-      gets ← <-            longleftarrow ← <-
    leftrightarrow ↔ <->  mapsto ↦ |->       longmapsto ↦ |->    Rightarrow ⇒ =>      implies ⇒ =>
    Longrightarrow ⇒ => Leftarrow ⇐ <==      impliedby ⇐ <==     Leftrightarrow ⇔ <=> iff ⇔ <=>
    Longleftrightarrow ⇔ <=>  uparrow ↑ up   downarrow ↓ down
"""
_BIG = "sum ∑ sum  prod ∏ prod  bigcup ⋃ union  bigcap ⋂ intersect  bigoplus ⨁ (+)  bigotimes ⨂ (*)"
_INTEGRALS = "int ∫ int  oint ∮ oint"
_FUNCTIONS = """
    exp log ln lg sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arg dim ker deg hom
    rank tr diag softmax sign
"""
_FUNCTIONS_WITH_LIMITS = "max min sup lim limsup liminf argmax argmin det gcd Pr"
_OPENING = r"lbrace { {  lbrack [ [  langle ⟨ <  lfloor ⌊ |_  lceil ⌈ |~  lvert | |  lVert ‖ ||  { { {"
_CLOSING = r"rbrace } }  rbrack ] ]  rangle ⟩ >  rfloor ⌋ _|  rceil ⌉ ~|  rvert | |  rVert ‖ ||  } } }"
_BARS = "vert | |  Vert ‖ ||  | ‖ ||"
# Characters that stand for themselves.
_CHARACTERS = {
    Kind.ORDINARY: "./!?@",
    Kind.BINARY: "+*",
    Kind.RELATION: "=<>:",
    Kind.OPENING: "([",
    Kind.CLOSING: ")]",
    Kind.BAR: "|",
    Kind.PUNCTUATION: ",;",
}

# A mark over a letter: its combining character, its form on a line of its own in Unicode and in ASCII.
# The name is what ASCII shows on one line: `hat(x)`.
MARKS = {
    "hat": ("\u0302", "^", "^"),
    "tilde": ("\u0303", "~", "~"),
    "bar": ("\u0304", "_", "_"),
    "vec": ("\u20d7", "→", "->"),
    "dot": ("\u0307", "·", "."),
    "ddot": ("\u0308", "··", ".."),
    "check": ("\u030c", "ˇ", "v"),
}

DELIMITER_KINDS = {Kind.OPENING, Kind.CLOSING, Kind.BAR}

NOTHING = Symbol("", "")
MINUS = Symbol("−", "-", Kind.BINARY)
SLASH = Symbol("/", "/")
ROUND = (Symbol("(", "(", Kind.OPENING), Symbol(")", ")", Kind.CLOSING))

_SCRIPT = dict(zip("BEFHILMR", "ℬℰℱℋℐℒℳℛ", strict=True))
_DOUBLE = dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True))


def letter(char: str) -> Symbol:
    """A letter or digit of the source."""
    return Symbol(char, char)


def script(char: str) -> Symbol | None:
    r"""A capital as `\mathcal` writes it. ASCII has no such letters and shows the plain one."""
    if len(char) != 1 or not "A" <= char <= "Z":
        return None
    return Symbol(_SCRIPT.get(char) or chr(ord("𝒜") + ord(char) - ord("A")), char)


def double(char: str) -> Symbol | None:
    r"""A letter or digit as `\mathbb` writes it. ASCII shows the plain one."""
    if char in _DOUBLE:
        return Symbol(_DOUBLE[char], char)
    for first, last, drawn in (("A", "Z", "𝔸"), ("a", "z", "𝕒"), ("0", "9", "𝟘")):
        if len(char) == 1 and first <= char <= last:
            return Symbol(chr(ord(drawn) + ord(char) - ord(first)), char)
    return None


def ascii_text(text: str) -> str | None:
    """Words in ASCII; None where a character has no ASCII form or is not one column wide."""
    forms = [_ascii_char(char) for char in text]
    return None if None in forms else "".join(filter(None, forms))


def _ascii_char(char: str) -> str | None:
    if " " <= char <= "~":
        return char
    if not char.isprintable() or cell_len(char) != 1:
        return None
    if char in _QUOTES:
        return _QUOTES[char]
    if char in SYMBOLS:
        return SYMBOLS[char].plain
    # An accented letter loses its accent; ½ or ² would lose its meaning.
    simple = unicodedata.normalize("NFD", char)[0]
    return simple if simple.isascii() else None


_QUOTES = {"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-"}


def _symbols() -> dict[str, Symbol]:
    table: dict[str, Symbol] = {}
    for kind, entries in (
        (Kind.ORDINARY, _GREEK + _ORDINARY),
        (Kind.INNER, _INNER),
        (Kind.BINARY, _BINARY),
        (Kind.RELATION, _RELATIONS),
        (Kind.OPENING, _OPENING),
        (Kind.CLOSING, _CLOSING),
        (Kind.BAR, _BARS),
        (Kind.BIG, _INTEGRALS),
    ):
        words = entries.split()
        for name, text, plain in zip(words[::3], words[1::3], words[2::3], strict=True):
            table["\\" + name] = Symbol(text, plain, kind)
    words = _BIG.split()
    for name, text, plain in zip(words[::3], words[1::3], words[2::3], strict=True):
        table["\\" + name] = Symbol(text, plain, Kind.BIG, limits=True)
    for name in _FUNCTIONS.split():
        table["\\" + name] = Symbol(name, name, Kind.FUNCTION)
    for name in _FUNCTIONS_WITH_LIMITS.split():
        table["\\" + name] = Symbol(name, name, Kind.FUNCTION, limits=True)
    table["\\limsup"] = Symbol("lim sup", "lim sup", Kind.FUNCTION, limits=True)
    table["\\liminf"] = Symbol("lim inf", "lim inf", Kind.FUNCTION, limits=True)
    # In ASCII the infinity sign has the word.
    table["\\inf"] = Symbol("inf", "infimum", Kind.FUNCTION, limits=True)
    table["\\colon"] = Symbol(":", ":", Kind.PUNCTUATION)
    for kind, characters in _CHARACTERS.items():
        table |= {char: Symbol(char, char, kind) for char in characters}
    table["-"] = MINUS
    # Unicode in the source means what its command means; the first of several commands counts.
    for symbol in list(table.values()):
        if len(symbol.text) == 1 and not symbol.text.isascii():
            table.setdefault(symbol.text, symbol)
    for char, drawn in (*_DOUBLE.items(), *_SCRIPT.items()):
        table[drawn] = Symbol(drawn, char)
    return table


# What a token of the source draws, by command (with its backslash) or by character.
SYMBOLS = _symbols()
