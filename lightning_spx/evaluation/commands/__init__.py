"""Commands of one step: explain photos, segment them, write a page, repeat a run."""
