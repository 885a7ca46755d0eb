"""Tries models before a study spends time on them, so that what cannot work is refused in one line."""
