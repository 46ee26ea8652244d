"""What Turbomole prints and writes, as plain data: pure functions from text that open no files.

Numbers stay as printed, in hartree and bohr. Whatever lacks the evidence of success raises `errors.Unreadable`.
"""
