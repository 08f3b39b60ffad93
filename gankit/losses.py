"""`gankit.parts.losses` under the name that plugins written before 0.2 know it by."""

from gankit.parts.losses import (
    Conditional as Conditional,
)
from gankit.parts.losses import (
    CrossEntropy as CrossEntropy,
)
from gankit.parts.losses import (
    Minimax as Minimax,
)
from gankit.parts.losses import (
    NonSaturating as NonSaturating,
)
