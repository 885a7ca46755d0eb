"""Labels with gaps, as any tool may write them."""

import numpy as np

LABELS = np.array([[0, 5, 5], [200, 9, 0]])
