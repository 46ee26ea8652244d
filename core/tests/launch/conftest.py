import sys
from pathlib import Path

# The fake programs are written by a helper beside the tests.
sys.path.insert(0, str(Path(__file__).parent))
