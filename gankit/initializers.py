"""`gankit.parts.initializers` under the name that plugins written before 0.2 know it by."""

from gankit.parts.initializers import (
    Constant as Constant,
)
from gankit.parts.initializers import (
    GlorotUniform as GlorotUniform,
)
from gankit.parts.initializers import (
    HeNormal as HeNormal,
)
from gankit.parts.initializers import (
    Initializer as Initializer,
)
from gankit.parts.initializers import (
    LogitOfMean as LogitOfMean,
)
from gankit.parts.initializers import (
    Normal as Normal,
)
from gankit.parts.initializers import (
    Sparse as Sparse,
)
from gankit.parts.initializers import (
    Uniform as Uniform,
)
