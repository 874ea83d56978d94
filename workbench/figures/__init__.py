"""Figures drawn as terminal text, told in words, and saved as files.

`look` says with which colours and characters, `draw` makes the text, `describe` tells the same to those
who cannot see it, `export` writes files. Nothing is imported here: what draws is paid for when it draws.
"""
