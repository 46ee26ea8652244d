"""GFN1-xTB and GFN2-xTB oracles: tblite in process, or the xtb program."""

__version__ = "0.1.0"
