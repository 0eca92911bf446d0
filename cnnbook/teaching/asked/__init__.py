"""The questions of the chapters, one module each. `cnnbook.teaching.asking` has
what they are."""
