"""Malformed inputs of every class: each ends in one line that names it, or in a defined result."""
